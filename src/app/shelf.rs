//! What a process that answers many keeps open between answers: registers, and what is known of
//! offices and tokens.
//!
//! What comes in: the log as it grows. What goes out: the same registers for all who read, caught
//! up with the log. What may fail: the store. What must stay true: everything here is derived and
//! brought up to the head before it is handed out.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use super::known::Known;
use super::{App, AppError};
use crate::registers::Registers;

/// Kept open between answers.
#[derive(Default)]
pub struct Shelf {
    registers: Arc<RwLock<Option<Registers>>>,
    /// What is asked for every answer.
    pub(super) known: Known,
}

/// The registers, caught up; others read them at the same time.
pub type SharedRegisters = OwnedRwLockReadGuard<Option<Registers>, Registers>;

impl App {
    /// The registers with at least so many entries, kept open for the next who asks.
    ///
    /// # Errors
    /// When the store fails or an entry does not read.
    pub async fn shared_registers(&self, size: u64) -> Result<SharedRegisters, AppError> {
        let behind = || AppError::Integrity("the registers do not catch up".to_owned());
        let shared = self.shelf.registers.clone();
        let mut known = shared.clone().read_owned().await;
        let is_caught_up = |known: &Option<Registers>| {
            known
                .as_ref()
                .is_some_and(|registers| registers.size() >= size)
        };
        if !is_caught_up(&known) {
            drop(known);
            let mut own = shared.write_owned().await;
            if !is_caught_up(&own) {
                // What is being caught up and fails half-way is opened anew.
                let mut registers = if let Some(registers) = own.take() {
                    registers
                } else {
                    let folder = self.folder.join("registers");
                    Registers::open(folder, self.ledger.id, self.store())?
                };
                registers.catch_up().await?;
                *own = Some(registers);
            }
            known = own.downgrade();
        }
        OwnedRwLockReadGuard::try_map(known, Option::as_ref).map_err(|_| behind())
    }
}
