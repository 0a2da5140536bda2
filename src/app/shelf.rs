//! What a process that answers many keeps open between answers: registers, offices.
//!
//! What comes in: the log as it grows. What goes out: the same registers and offices for all who
//! read, caught up with the log. What may fail: the store. What must stay true: everything here is
//! derived and brought up to the head before it is handed out.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use super::log_files::office_of;
use super::{App, AppError};
use crate::model::id::Position;
use crate::model::office::OfficeDirectory;
use crate::registers::Registers;

/// Kept open between answers.
#[derive(Default)]
pub struct Shelf {
    registers: Arc<RwLock<Option<Registers>>>,
    offices: Mutex<Known>,
}

/// The offices as far as they were read.
#[derive(Default)]
struct Known {
    /// The first position that was not looked at.
    next: Position,
    directory: Arc<OfficeDirectory>,
}

/// The registers, caught up; others read them at the same time.
pub type SharedRegisters = OwnedRwLockReadGuard<Option<Registers>, Registers>;

impl App {
    /// The offices as they are now. Entries that were read once are not read again.
    ///
    /// # Errors
    /// When the store fails or an entry does not read.
    pub async fn offices_now(&self) -> Result<Arc<OfficeDirectory>, AppError> {
        let lock = || self.shelf.offices.lock();
        let (next, known) = {
            let known = lock().unwrap_or_else(PoisonError::into_inner);
            (known.next, known.directory.clone())
        };
        // Without the lock: everybody asks this, and most often there is nothing new.
        let store = self.store();
        let newer = store.entries_of_type_from("office", next, u64::MAX).await?;
        let Some(last) = newer.last() else {
            return Ok(known);
        };
        let mut directory = known.as_ref().clone();
        for stored in &newer {
            directory.insert(office_of(stored)?);
        }
        let read = Known {
            next: last.position + 1,
            directory: Arc::new(directory),
        };
        let directory = read.directory.clone();
        let mut known = lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have read more meanwhile.
        if known.next < read.next {
            *known = read;
        }
        Ok(directory)
    }

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
