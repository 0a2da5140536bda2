//! The columns of the intake files: what each is called, what it may hold, and whether it is
//! public or sealed. This is the one place that says so.
//!
//! What comes in: nothing. What goes out: static tables, used by intake (headers, cells), by
//! sealing (slots and roles), by registers (columns) and by the command line (labels). What must
//! stay true: every sealed column has a [`Slot`] of its name, and every public one a field of its
//! name in [`super::fields`].

use super::slot::{Role, Slot};

/// The record aggregates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// Households, residents, marriages, divorces, arrivals, departures, deaths.
    Registration,
    /// Live births.
    Birth,
    /// Pregnancy losses.
    PregnancyLoss,
    /// Reward disbursements.
    Disbursement,
    /// Activities of an office.
    Activity,
    /// Lines of statistical returns.
    Return,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Registration,
        Self::Birth,
        Self::PregnancyLoss,
        Self::Disbursement,
        Self::Activity,
        Self::Return,
    ];

    /// The aggregate type, as entries carry it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Birth => "birth",
            Self::PregnancyLoss => "pregnancy_loss",
            Self::Disbursement => "disbursement",
            Self::Activity => "activity",
            Self::Return => "return",
        }
    }

    /// The English name of its intake file or sheet.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Registration => "registrations",
            Self::Birth => "births",
            Self::PregnancyLoss => "pregnancy_losses",
            Self::Disbursement => "disbursements",
            Self::Activity => "activities",
            Self::Return => "returns",
        }
    }

    /// The Chinese name of its intake file or sheet.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Registration => "登记",
            Self::Birth => "出生",
            Self::PregnancyLoss => "孕情消失",
            Self::Disbursement => "奖励兑现",
            Self::Activity => "活动",
            Self::Return => "报表",
        }
    }

    /// By the type of a stream, exactly; other streams are of no record.
    #[must_use]
    pub fn of_type(aggregate_type: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.as_str() == aggregate_type)
    }

    /// By aggregate type, file name or Chinese name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase().replace('-', "_");
        Self::ALL
            .into_iter()
            .find(|kind| name == kind.as_str() || name == kind.file() || name == kind.zh())
    }

    /// Its columns, in the order of the intake description.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Registration => REGISTRATION,
            Self::Birth => BIRTH,
            Self::PregnancyLoss => PREGNANCY_LOSS,
            Self::Disbursement => DISBURSEMENT,
            Self::Activity => ACTIVITY,
            Self::Return => RETURN,
        }
    }

    /// Its sealed slots with their roles, in byte order of the names.
    #[must_use]
    pub fn slots(self) -> &'static [(Slot, Role)] {
        static SLOTS: std::sync::OnceLock<[Vec<(Slot, Role)>; 6]> = std::sync::OnceLock::new();
        let all = SLOTS.get_or_init(|| RecordKind::ALL.map(sealed_slots));
        &all[self as usize]
    }

    /// The roles whose keys a record of this kind needs, by number.
    #[must_use]
    pub const fn roles(self) -> &'static [Role] {
        match self {
            Self::Registration => &[Role::Record, Role::Person, Role::Partner],
            Self::Birth => &[Role::Record, Role::Child, Role::Mother, Role::Father],
            Self::Disbursement => &[Role::Record, Role::Beneficiary],
            Self::PregnancyLoss | Self::Activity | Self::Return => &[Role::Record],
        }
    }
}

impl std::fmt::Display for RecordKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

fn sealed_slots(kind: RecordKind) -> Vec<(Slot, Role)> {
    let mut slots: Vec<_> = kind
        .columns()
        .iter()
        .filter_map(|column| match column.placement {
            Placement::Sealed(role) => Slot::of_name(column.name).map(|slot| (slot, role)),
            Placement::Public | Placement::Token => None,
        })
        .collect();
    slots.sort_unstable();
    slots
}

/// Where the value of a column goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Into the entry, in clear.
    Public,
    /// Into the vault, sealed by the key of this role; the entry holds a commitment.
    Sealed(Role),
    /// Becomes a one-purpose token in the vault and is dropped.
    Token,
}

/// What the text of a sealed cell is checked against and normalised to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellType {
    /// Any text.
    Text,
    /// A date; refused when unreadable.
    Date,
    /// A date; kept as it stands when unreadable.
    LooseDate,
    /// A whole number; refused when it is none.
    Integer,
    /// A number of an identity document: spaces removed, `x` written `X`.
    Number,
    /// The type of the public field of that name.
    Field,
}

/// A column of an intake file.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// English header.
    pub name: &'static str,
    /// Chinese header.
    pub zh: &'static str,
    /// What its text may be.
    pub cell: CellType,
    /// Where it goes.
    pub placement: Placement,
    /// Whether the header must have it and every row must fill it.
    pub required: bool,
}

impl Column {
    /// The name of the public field it fills (`amount_yuan` is kept as `amount_fen`).
    #[must_use]
    pub fn field(&self) -> &'static str {
        if self.name == "amount_yuan" {
            "amount_fen"
        } else {
            self.name
        }
    }
}

const fn public(name: &'static str, zh: &'static str) -> Column {
    Column {
        name,
        zh,
        cell: CellType::Field,
        placement: Placement::Public,
        required: false,
    }
}

const fn required(name: &'static str, zh: &'static str) -> Column {
    Column {
        name,
        zh,
        cell: CellType::Field,
        placement: Placement::Public,
        required: true,
    }
}

const fn sealed(role: Role, name: &'static str, zh: &'static str, cell: CellType) -> Column {
    Column {
        name,
        zh,
        cell,
        placement: Placement::Sealed(role),
        required: false,
    }
}

const fn required_sealed(name: &'static str, zh: &'static str, cell: CellType) -> Column {
    Column {
        name,
        zh,
        cell,
        placement: Placement::Sealed(Role::Record),
        required: true,
    }
}

const ID: Column = required_sealed("source_record_id", "来源编号", CellType::Text);
const REMARK: Column = sealed(Role::Record, "remark", "备注", CellType::Text);
const HOUSEHOLD: Column = sealed(Role::Record, "household_no", "户号", CellType::Text);

const REGISTRATION: &[Column] = &[
    ID,
    required("source", "来源"),
    required("office", "单位代码"),
    required("kind", "类别"),
    required("occurred_on", "发生日期"),
    required("reported_on", "上报日期"),
    HOUSEHOLD,
    sealed(Role::Person, "person_name", "姓名", CellType::Text),
    public("sex", "性别"),
    sealed(Role::Person, "born_on", "出生日期", CellType::LooseDate),
    sealed(Role::Person, "id_no", "身份证号", CellType::Number),
    public("marital_status", "婚姻状况"),
    sealed(Role::Partner, "partner_name", "配偶姓名", CellType::Text),
    sealed(
        Role::Partner,
        "partner_id_no",
        "配偶身份证号",
        CellType::Number,
    ),
    sealed(
        Role::Partner,
        "partner_born_on",
        "配偶出生日期",
        CellType::LooseDate,
    ),
    sealed(Role::Record, "place_from", "迁出地", CellType::Text),
    sealed(Role::Record, "place_to", "迁入地", CellType::Text),
    REMARK,
];

const BIRTH: &[Column] = &[
    ID,
    required("source", "来源"),
    required("office", "单位代码"),
    required("occurred_on", "发生日期"),
    required("reported_on", "上报日期"),
    sealed(Role::Child, "child_name", "婴儿姓名", CellType::Text),
    public("sex", "性别"),
    sealed(
        Role::Child,
        "birth_certificate_no",
        "出生医学证明编号",
        CellType::Number,
    ),
    public("plurality", "胎数"),
    public("weight_g", "体重"),
    public("gestation_days", "孕天"),
    public("place", "地点"),
    public("facility", "机构代码"),
    sealed(Role::Mother, "mother_name", "母亲姓名", CellType::Text),
    sealed(
        Role::Mother,
        "mother_id_no",
        "母亲身份证号",
        CellType::Number,
    ),
    sealed(
        Role::Mother,
        "mother_born_on",
        "母亲出生日期",
        CellType::LooseDate,
    ),
    sealed(
        Role::Mother,
        "mother_residence",
        "母亲居住地",
        CellType::Text,
    ),
    sealed(Role::Father, "father_name", "父亲姓名", CellType::Text),
    sealed(
        Role::Father,
        "father_id_no",
        "父亲身份证号",
        CellType::Number,
    ),
    HOUSEHOLD,
    REMARK,
];

// Only township, month, gestation band, timing and plurality of a loss are public.
const PREGNANCY_LOSS: &[Column] = &[
    ID,
    required_sealed("source", "来源", CellType::Field),
    required_sealed("office", "单位代码", CellType::Field),
    required_sealed("occurred_on", "发生日期", CellType::Date),
    required_sealed("reported_on", "上报日期", CellType::Date),
    sealed(Role::Record, "gestation_days", "孕天", CellType::Integer),
    sealed(Role::Record, "weight_g", "体重", CellType::Integer),
    public("plurality", "胎数"),
    public("timing", "死亡时间"),
    sealed(Role::Record, "facility", "机构代码", CellType::Text),
    sealed(Role::Record, "case_no", "病例号", CellType::Text),
    Column {
        name: "woman_id_no",
        zh: "妇女身份证号",
        cell: CellType::Number,
        placement: Placement::Token,
        required: false,
    },
    REMARK,
];

const DISBURSEMENT: &[Column] = &[
    ID,
    required("source", "来源"),
    required("office", "单位代码"),
    required("flow", "资金流向"),
    public("scheme", "项目"),
    public("period", "期间"),
    public("amount_yuan", "金额"),
    required("occurred_on", "发生日期"),
    required("reported_on", "上报日期"),
    sealed(
        Role::Beneficiary,
        "beneficiary_name",
        "领取人",
        CellType::Text,
    ),
    sealed(
        Role::Beneficiary,
        "beneficiary_id_no",
        "领取人身份证号",
        CellType::Number,
    ),
    sealed(
        Role::Beneficiary,
        "beneficiary_born_on",
        "领取人出生日期",
        CellType::LooseDate,
    ),
    sealed(Role::Beneficiary, "account_no", "账号", CellType::Number),
    public("approved_by", "审批人"),
    REMARK,
];

const ACTIVITY: &[Column] = &[
    ID,
    required("source", "来源"),
    required("office", "单位代码"),
    required("kind", "类别"),
    required("occurred_on", "发生日期"),
    required("reported_on", "上报日期"),
    public("quantity", "数量"),
    public("eligible", "应检人数"),
    REMARK,
];

const RETURN: &[Column] = &[
    ID,
    required("source", "来源"),
    required("office", "单位代码"),
    required("period", "期间"),
    required("indicator", "指标"),
    public("value", "数值"),
    public("numerator", "分子"),
    public("denominator", "分母"),
    required("submitted_on", "报送日期"),
    public("submitted_by", "报送人"),
    REMARK,
];

/// The columns of the offices file, of which nothing is personal. Its rows become `office` entries
/// and not records, so that no [`RecordKind`] has them.
pub const OFFICE: &[Column] = &[
    required("code", "代码"),
    public("name_zh", "名称"),
    public("name_en", "英文名称"),
    required("level", "级别"),
    public("parent", "上级代码"),
];

/// The English word for the Chinese names of activities, schemes and indicators.
#[must_use]
pub fn slug_of_chinese(text: &str) -> Option<&'static str> {
    const WORDS: &[(&str, &str)] = &[
        ("宣传单", "leaflet"),
        ("横幅", "banner"),
        ("黑板报", "blackboard"),
        ("宣传活动", "campaign"),
        ("春联", "couplet"),
        ("培训", "training"),
        ("协会学习", "association_study"),
        ("协会活动", "association_event"),
        ("帮困", "relief_visit"),
        ("孕前检查", "preconception_checkup"),
        ("家庭奖励扶助", "family_support"),
        ("奖励扶助", "family_support"),
        ("事业经费", "programme_funding"),
        ("出生", "births"),
        ("出生男", "births_male"),
        ("出生女", "births_female"),
        ("结婚", "marriages"),
        ("离婚", "divorces"),
        ("死亡", "deaths"),
        ("迁入", "arrivals"),
        ("迁出", "departures"),
        ("总人口", "population"),
        ("人口", "population"),
    ];
    WORDS
        .iter()
        .find(|(zh, _)| *zh == text)
        .map(|(_, slug)| *slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sealed_column_has_a_slot_and_its_role_a_key() {
        for kind in RecordKind::ALL {
            for column in kind.columns() {
                if let Placement::Sealed(role) = column.placement {
                    assert!(Slot::of_name(column.name).is_some(), "{}", column.name);
                    assert!(kind.roles().contains(&role));
                }
            }
            assert_eq!(RecordKind::parse(kind.file()), Some(kind));
            assert_eq!(RecordKind::parse(kind.zh()), Some(kind));
        }
    }
}
