//! Code lists: the closed vocabularies of the intake files.
//!
//! What comes in: a cell's text in English, Chinese or the digits of GB/T 2261. What goes out: a
//! variant. What may fail: a word that is in no list gives `None`; the caller decides whether the
//! row is refused (kind, flow, source) or kept as `unreadable` with its text sealed. What must
//! stay true: `parse(x.as_str())` gives `x` again, and the English word is what is hashed.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $en:literal, $zh:literal $(, $alias:literal)*;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $en)] $variant,)+ }

        impl $name {
            /// Every variant, in the order of its code list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The English word, as it is written in an entry.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $en,)+ }
            }

            /// The Chinese word.
            #[must_use]
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$variant => $zh,)+ }
            }

            /// Reads a word of the list in either language, or one of its usual codes.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                $(if text.eq_ignore_ascii_case($en) || text == $zh $(|| text.eq_ignore_ascii_case($alias))* {
                    return Some(Self::$variant);
                })+
                None
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

codes! {
    /// Who reports. The count of record is `village`; the others are evidence.
    Source {
        /// A village or community office.
        Village = "village", "村居", "社区", "村";
        /// A hospital or other facility.
        Hospital = "hospital", "医院";
        /// The police household register.
        Police = "police", "公安", "派出所";
        /// The civil affairs office.
        CivilAffairs = "civil_affairs", "民政";
        /// The finance office.
        Finance = "finance", "财政";
    }
}

codes! {
    /// Sex as registered (GB/T 2261.1: 1 male, 2 female).
    Sex {
        /// Female.
        Female = "F", "女", "2", "female";
        /// Male.
        Male = "M", "男", "1", "male";
        /// A word in the cell that is in no code list; the text is in the sealed remark.
        Unreadable = "unreadable", "无法识别";
    }
}

codes! {
    /// Level of an office in the tree of offices.
    OfficeLevel {
        /// County.
        County = "county", "县", "区县";
        /// Township or street office.
        Township = "township", "乡镇", "镇", "乡", "街道";
        /// Village or community.
        Village = "village", "村居", "村", "社区";
        /// Hospital, police station or other facility.
        Facility = "facility", "机构";
    }
}

codes! {
    /// What a row of the registrations file reports.
    RegistrationKind {
        /// A household is set up.
        Household = "household", "立户";
        /// A person is a resident.
        Resident = "resident", "居民";
        /// A marriage.
        Marriage = "marriage", "结婚";
        /// A divorce.
        Divorce = "divorce", "离婚";
        /// A person moves in.
        Arrival = "arrival", "迁入";
        /// A person moves out.
        Departure = "departure", "迁出";
        /// A death.
        Death = "death", "死亡";
    }
}

codes! {
    /// Marital status (GB/T 2261.2, condensed).
    MaritalStatus {
        /// Never married.
        Single = "single", "未婚", "10";
        /// Married.
        Married = "married", "已婚", "20", "初婚", "再婚", "复婚", "有配偶";
        /// Widowed.
        Widowed = "widowed", "丧偶", "30";
        /// Divorced.
        Divorced = "divorced", "离婚", "40";
        /// A word in the cell that is in no code list; the text is in the sealed remark.
        Unreadable = "unreadable", "无法识别";
    }
}

codes! {
    /// Where a birth took place.
    BirthPlace {
        /// In a facility.
        Facility = "facility", "机构", "医院";
        /// At home.
        Home = "home", "家中", "家";
        /// Anywhere else.
        Other = "other", "其他";
        /// A word in the cell that is in no code list; the text is in the sealed remark.
        Unreadable = "unreadable", "无法识别";
    }
}

codes! {
    /// When a fetal death happened in relation to labour (ICD-11: antepartum, intrapartum).
    LossTiming {
        /// Before labour.
        Antepartum = "antepartum", "产前";
        /// During labour.
        Intrapartum = "intrapartum", "产时";
        /// Not known.
        Unknown = "unknown", "不详", "未知";
        /// A word in the cell that is in no code list; the text is in the sealed remark.
        Unreadable = "unreadable", "无法识别";
    }
}

codes! {
    /// Direction of money in the reward scheme.
    Flow {
        /// Money set aside for an office.
        Appropriation = "appropriation", "拨款";
        /// A person is on the list of a scheme.
        Entitlement = "entitlement", "应发";
        /// Money paid to a person.
        Payment = "payment", "发放";
        /// A payment taken back; its amount is positive and subtracts.
        Reversal = "reversal", "冲回";
    }
}

codes! {
    /// Gestation in completed weeks, in the bands in which it may be public (WHO: early fetal
    /// death from 22 weeks, late from 28 weeks).
    GestationBand {
        /// Under 22 completed weeks.
        Under22 = "under_22", "不满22周";
        /// 22 to 27 completed weeks.
        From22To27 = "22_to_27", "22至27周";
        /// 28 completed weeks or more.
        From28 = "28_and_over", "28周及以上";
        /// Neither days nor weight are stated.
        NotStated = "not_stated", "未说明";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_as_itself() {
        for kind in RegistrationKind::ALL {
            assert_eq!(RegistrationKind::parse(kind.as_str()), Some(*kind));
            assert_eq!(RegistrationKind::parse(kind.zh()), Some(*kind));
        }
        assert_eq!(Sex::parse("1"), Some(Sex::Male));
        assert_eq!(Sex::parse("女"), Some(Sex::Female));
        assert_eq!(Sex::parse("3"), None);
        assert_eq!(Flow::parse("冲回"), Some(Flow::Reversal));
    }
}
