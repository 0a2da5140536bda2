//! Sealed slots: the personal fields of a record, by name and by the role whose key seals them.
//!
//! What comes in and goes out: names. What must stay true: the list is closed (an entry that
//! names another slot does not parse), it is in byte order of the names, and the numbers of roles
//! and slots never change, since ciphertexts in the vault carry them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The person (or the record itself) whose key seals a slot. The number is stored in the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// The record itself: remarks, numbers of files, source ids.
    Record = 0,
    /// The person registered.
    Person = 1,
    /// The partner in a marriage or divorce.
    Partner = 2,
    /// The child born.
    Child = 3,
    /// The mother.
    Mother = 4,
    /// The father.
    Father = 5,
    /// Who is entitled to or receives a payment.
    Beneficiary = 6,
}

impl Role {
    /// Every role, by number.
    pub const ALL: [Self; 7] = [
        Self::Record,
        Self::Person,
        Self::Partner,
        Self::Child,
        Self::Mother,
        Self::Father,
        Self::Beneficiary,
    ];

    /// The role with this number.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

macro_rules! slots {
    ($($number:literal $name:literal;)+) => {
        const NAMES: &[(&str, u8)] = &[$(($name, $number),)+];
    };
}

// In byte order of the names; a new slot takes the next free number.
slots! {
    0 "account_no";
    1 "beneficiary_born_on";
    2 "beneficiary_id_no";
    3 "beneficiary_name";
    4 "birth_certificate_no";
    5 "born_on";
    6 "case_no";
    7 "child_name";
    8 "facility";
    9 "father_id_no";
    10 "father_name";
    11 "file_name";
    12 "gestation_days";
    13 "household_no";
    14 "id_no";
    15 "mother_born_on";
    16 "mother_id_no";
    17 "mother_name";
    18 "mother_residence";
    19 "occurred_on";
    20 "office";
    21 "partner_born_on";
    22 "partner_id_no";
    23 "partner_name";
    24 "person_name";
    25 "place_from";
    26 "place_to";
    27 "purpose";
    28 "reason";
    29 "remark";
    30 "reported_on";
    31 "source";
    32 "source_record_id";
    33 "weight_g";
}

/// Names that are tried before the search, which costs as much as a few comparisons.
const NEAR: usize = 4;

/// The name of a sealed slot. Ordered by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u8);

impl Slot {
    /// The free-text reason of a correction or a void.
    pub const REASON: Self = Self::must("reason");
    /// The free-text purpose of an unsealing.
    pub const PURPOSE: Self = Self::must("purpose");
    /// The name of a delivered file.
    pub const FILE_NAME: Self = Self::must("file_name");
    /// The remark of a record.
    pub const REMARK: Self = Self::must("remark");
    /// The number that the reporting office gave the record.
    pub const SOURCE_RECORD_ID: Self = Self::must("source_record_id");

    /// The slot of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let found = NAMES
            .binary_search_by(|(other, _)| (*other).cmp(name))
            .ok()?;
        u8::try_from(found).ok().map(Self)
    }

    /// The slot of that name; found faster when it is soon after `last`.
    #[must_use]
    pub fn of_name_after(last: Option<Self>, name: &str) -> Option<Self> {
        let first = last.map_or(0, |last| usize::from(last.0) + 1);
        let mut near = (first..NAMES.len()).take(NEAR);
        let found = near.find(|index| NAMES[*index].0 == name);
        found.map_or_else(|| Self::of_name(name), |at| u8::try_from(at).ok().map(Self))
    }

    /// The slot of that name, for constants.
    ///
    /// # Panics
    /// When there is no slot of that name; in a constant that is a compile error.
    #[must_use]
    pub const fn must(name: &str) -> Self {
        let mut index = 0;
        while index < NAMES.len() {
            if same(NAMES[index].0, name) {
                #[expect(clippy::cast_possible_truncation, reason = "the list is short")]
                return Self(index as u8);
            }
            index += 1;
        }
        panic!("no slot of that name")
    }

    /// The name, as it stands in entries.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)].0
    }

    /// The number under which the vault stores it.
    #[must_use]
    pub fn number(self) -> u8 {
        NAMES[usize::from(self.0)].1
    }

    /// The slot with that number.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        let found = NAMES.iter().position(|(_, other)| *other == number)?;
        u8::try_from(found).ok().map(Self)
    }
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Text that is borrowed from what is read wherever it has no escapes; a plain `Cow` is copied.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Borrowed<'a>(#[serde(borrow)] pub std::borrow::Cow<'a, str>);

impl Serialize for Slot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Borrowed::deserialize(deserializer)?.0;
        Self::of_name(&name)
            .ok_or_else(|| serde::de::Error::custom(format_args!("no sealed slot {name:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_in_order_and_numbers_are_unique() {
        assert!(NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (name, number) in NAMES {
            let slot = Slot::of_name(name).unwrap();
            assert_eq!(slot.name(), *name);
            assert_eq!(Slot::of_number(*number), Some(slot));
            let last = NAMES.iter().map(|(name, _)| Slot::of_name(name));
            for last in last.chain([None]) {
                assert_eq!(Slot::of_name_after(last, name), Some(slot));
            }
        }
        assert_eq!(Slot::of_name_after(None, "name"), None);
    }
}
