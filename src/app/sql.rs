//! Questions in SQL, and how the registers behind the answers stand.
//!
//! What comes in: moments. What goes out: sessions that answer queries as of them, the state of
//! the registers' files, and registers that were built anew. What may fail: the store; a query; a
//! rebuild beside another one. What must stay true: what a rebuild replaces is what the entries
//! say, so that both have the same digests, or the old one was wrong.

use super::reading::AsOf;
use super::{App, AppError};
use crate::model::schema::RecordKind;
use crate::registers::Registers;
use crate::registers::fold::CatchUp;
use crate::registers::segment::Damage;
use crate::registers::sql::{Pinned, Session};
use crate::registers::status::KindStatus;

/// How the registers stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistersStatus {
    /// Entries that the log has.
    pub head: u64,
    /// Entries that the registers know, after they were brought up to date.
    pub known: u64,
    /// What bringing them up to date did.
    pub caught_up: CatchUp,
    /// Segments that were unusable and were built anew.
    pub damaged: Vec<Damage>,
    /// Each register.
    pub kinds: Vec<KindStatus>,
}

/// A register before and after it was built anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Which.
    pub kind: RecordKind,
    /// SHA-256 over its rows before; none when they could not be read, or entries came meanwhile.
    pub before: Option<[u8; 32]>,
    /// SHA-256 over its rows now.
    pub after: [u8; 32],
}

impl Rebuilt {
    /// Whether it is what it was, if that can be told.
    #[must_use]
    pub fn is_identical(&self) -> Option<bool> {
        self.before.map(|before| before == self.after)
    }
}

impl App {
    /// Questions as of a moment.
    ///
    /// # Errors
    /// When there was no such moment, or the registers cannot be read.
    pub async fn sql_session(&self, as_of: AsOf) -> Result<Session, AppError> {
        let size = self.size_at(as_of).await?;
        let registers = self.registers().await?;
        self.sql_session_of(&Pinned::of(&registers)?, size).await
    }

    /// Questions to pinned registers as of a number of entries.
    ///
    /// # Errors
    /// When the registers do not know so many, or the store fails.
    pub async fn sql_session_of(&self, pinned: &Pinned, size: u64) -> Result<Session, AppError> {
        Ok(pinned.session(size, &self.offices(size).await?)?)
    }

    /// Brings the registers up to date and looks at them; with digests if they are wanted, for
    /// which every row is read.
    ///
    /// # Errors
    /// When the registers cannot be read, or not be brought up to date.
    pub async fn registers_status(&self, with_digests: bool) -> Result<RegistersStatus, AppError> {
        let (registers, caught_up) = self.registers_caught_up().await?;
        let kinds = RecordKind::ALL.map(|kind| registers.status(kind, with_digests));
        Ok(RegistersStatus {
            head: self.store().head().await?.size,
            known: registers.size(),
            caught_up,
            damaged: registers.damaged().to_vec(),
            kinds: kinds.into_iter().collect::<Result<_, _>>()?,
        })
    }

    /// Builds the registers anew from the entries. Readers have the old ones until the new ones
    /// are complete.
    ///
    /// # Errors
    /// When another process is doing the same, or an entry does not read.
    pub async fn rebuild_registers(&self) -> Result<(CatchUp, Vec<Rebuilt>), AppError> {
        let mut registers = self.registers().await?;
        let (size, before) = (registers.size(), digests(&registers));
        let done = registers.rebuild().await?;
        let after = digests(&registers)?;
        // Of another number of entries there are other rows.
        let before = before.ok().filter(|_| registers.size() == size);
        let kinds = RecordKind::ALL.into_iter().zip(after).enumerate();
        let rebuilt = kinds.map(|(index, (kind, after))| Rebuilt {
            kind,
            before: before.as_ref().map(|before| before[index]),
            after,
        });
        Ok((done, rebuilt.collect()))
    }
}

fn digests(registers: &Registers) -> Result<Vec<[u8; 32]>, AppError> {
    let digests = RecordKind::ALL.map(|kind| registers.digest(kind));
    Ok(digests.into_iter().collect::<Result<_, _>>()?)
}
