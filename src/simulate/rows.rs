//! How each kind of record is written as a row.
//!
//! Records come in, rows go out in the order of the columns. Only the disk can fail. What must
//! stay true: a village's report and the hospital's copy of one birth agree unless a fault made
//! them differ; what a source does not know it leaves empty.

use super::SimulateError;
use super::delivery::{Delivery, Kind, Sheet};
use super::events::{Birth, Loss, Place, Registration};
use super::people::{IdNumber, Person};
use super::world::{
    AWAY_HOSPITAL, AWAY_VILLAGE, COUNTY, Resident, World, hospital_code, police_code,
    township_code, township_of, village_code,
};

/// Whose report a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reporter {
    Village,
    Hospital,
}

pub(super) fn sex(female: bool) -> &'static str {
    if female { "F" } else { "M" }
}

pub(super) fn offices(delivery: &mut Delivery, world: &World) -> Result<(), SimulateError> {
    let sheet = delivery.sheet(Kind::Offices);
    sheet
        .number(COUNTY)
        .text("示范县")
        .text("Sample County")
        .text("county")
        .blank(1)
        .end()?;
    let single = world.townships() == 1;
    for township in 0..world.townships() {
        let (mark, label) = if single {
            (String::new(), String::new())
        } else {
            (format!("第{}", township + 1), format!(" {}", township + 1))
        };
        let code = township_code(township);
        sheet
            .number(code)
            .text(&format!("示范{mark}镇"))
            .text(&format!("Sample Township{label}"));
        sheet.text("township").number(COUNTY).end()?;
        for village in world.villages_of(township) {
            sheet
                .number(village_code(village))
                .text(&format!("第{}社区", village + 1));
            sheet
                .text(&format!("Community {}", village + 1))
                .text("village")
                .number(code)
                .end()?;
        }
        sheet
            .number(hospital_code(township))
            .text(&format!("示范{mark}镇卫生院"));
        sheet
            .text(&format!("Sample Township{label} Hospital"))
            .text("facility");
        sheet.number(code).end()?;
        sheet
            .number(police_code(township))
            .text(&format!("示范{mark}派出所"));
        sheet
            .text(&format!("Sample Police Station{label}"))
            .text("facility")
            .number(code)
            .end()?;
    }
    Ok(())
}

pub(super) fn household(
    delivery: &mut Delivery,
    world: &World,
    household: u64,
) -> Result<(), SimulateError> {
    let sheet = delivery.sheet(Kind::Registrations);
    let village = village_code(world.village_of_household(household));
    sheet
        .code('R', household + 1, 7)
        .text("village")
        .number(village)
        .text("household");
    sheet
        .date(world.plan.span.start())
        .date(world.plan.span.start());
    sheet.code('H', household + 1, 6).blank(11).end()
}

/// A resident record; `person` and the ID number are given apart, because a fault may have changed
/// or lost them.
pub(super) fn resident(
    delivery: &mut Delivery,
    world: &World,
    resident: &Resident,
    person: &Person,
    id: Option<&IdNumber>,
) -> Result<(), SimulateError> {
    let sheet = delivery.sheet(Kind::Registrations);
    sheet
        .code('R', world.plan.households + resident.number + 1, 7)
        .text("village");
    sheet
        .number(village_code(resident.village))
        .text("resident");
    sheet
        .date(world.plan.span.start())
        .date(world.plan.span.start());
    sheet
        .code('H', resident.household + 1, 6)
        .name(&person.name)
        .text(sex(person.female));
    sheet.date(person.born);
    identity(sheet, id)
        .text(if world.married(resident, person) {
            "married"
        } else {
            "single"
        })
        .blank(6)
        .end()
}

/// A death, departure, arrival or marriage, by the village or the police.
pub(super) fn registration(
    delivery: &mut Delivery,
    world: &World,
    kind: &'static str,
    record: (char, u64),
    event: &Registration,
) -> Result<(), SimulateError> {
    let police = record.0 == 'D';
    let (source, office, reported) = if police {
        (
            "police",
            police_code(township_of(event.village)),
            event.copied,
        )
    } else {
        ("village", village_code(event.village), event.reported)
    };
    let span = &world.plan.span;
    let sheet = delivery.sheet(Kind::Registrations);
    sheet
        .code(record.0, record.1, 7)
        .text(source)
        .number(office)
        .text(kind);
    sheet.date(span.date(event.day)).date(span.date(reported));
    match event.household.filter(|_| kind == "death" && !police) {
        Some(household) => sheet.code('H', household + 1, 6),
        None => sheet.blank(1),
    };
    let person = &event.person;
    sheet
        .name(&person.name)
        .text(sex(person.female))
        .date(person.born)
        .bytes(&person.id)
        .blank(1);
    match &event.partner {
        Some(partner) => sheet
            .name(&partner.name)
            .bytes(&partner.id)
            .date(partner.born),
        None => sheet.blank(3),
    };
    match kind {
        "arrival" => sheet.number(AWAY_VILLAGE).blank(1),
        "departure" => sheet.blank(1).number(AWAY_VILLAGE),
        _ => sheet.blank(2),
    };
    sheet.blank(1).end()
}

/// A birth; `number` is the record's, `away` says that the mother lives elsewhere.
pub(super) fn birth(
    delivery: &mut Delivery,
    world: &World,
    reporter: Reporter,
    number: u64,
    birth: &Birth,
    away: bool,
) -> Result<(), SimulateError> {
    let hospital = hospital_code(township_of(birth.village));
    let span = &world.plan.span;
    let sheet = delivery.sheet(Kind::Births);
    if reporter == Reporter::Village {
        sheet
            .code('B', number, 7)
            .text("village")
            .number(village_code(birth.village));
        sheet
            .date(span.date(birth.day))
            .date(span.date(birth.reported));
    } else {
        sheet.code('C', number, 7).text("hospital").number(hospital);
        sheet
            .date(span.date(birth.day))
            .date(span.date(birth.copied));
    }
    sheet.name(&birth.child).text(sex(birth.female));
    match &birth.certificate {
        Some(certificate) => sheet.bytes(certificate),
        None => sheet.blank(1),
    };
    sheet
        .number(birth.plurality)
        .number(birth.weight_g)
        .number(birth.gestation_days);
    match birth.place {
        Place::Hospital => sheet.text("facility").number(hospital),
        Place::Elsewhere => sheet.text("facility").number(AWAY_HOSPITAL),
        Place::Home => sheet.text("home").blank(1),
    };
    sheet.name(&birth.mother.name);
    identity(sheet, birth.mother_id.as_ref()).date(birth.mother_born);
    sheet.number(if away {
        AWAY_VILLAGE
    } else {
        village_code(birth.village)
    });
    if reporter == Reporter::Hospital {
        // The hospital asks neither for the father nor for the household.
        return sheet.blank(4).end();
    }
    sheet.name(&birth.father).blank(1);
    match birth.household {
        Some(household) => sheet.code('H', household + 1, 6),
        None => sheet.blank(1),
    };
    sheet.blank(1).end()
}

pub(super) fn identity<'sheet>(
    sheet: &'sheet mut Sheet,
    id: Option<&IdNumber>,
) -> &'sheet mut Sheet {
    match id {
        Some(id) => sheet.bytes(id),
        None => sheet.blank(1),
    }
}

/// A pregnancy loss; `number` is the record's, which a second report of a loss has of its own.
pub(super) fn loss(
    delivery: &mut Delivery,
    world: &World,
    reporter: Reporter,
    number: u64,
    loss: &Loss,
) -> Result<(), SimulateError> {
    let hospital = hospital_code(township_of(loss.village));
    let span = &world.plan.span;
    let sheet = delivery.sheet(Kind::Losses);
    if reporter == Reporter::Village {
        sheet
            .code('L', number, 7)
            .text("village")
            .number(village_code(loss.village));
        sheet
            .date(span.date(loss.day))
            .date(span.date(loss.reported));
    } else {
        sheet.code('M', number, 7).text("hospital").number(hospital);
        sheet.date(span.date(loss.day)).date(span.date(loss.copied));
    }
    sheet
        .number(loss.gestation_days)
        .optional(loss.weight_g)
        .number(1)
        .text(loss.timing);
    sheet.number(if loss.place == Place::Hospital {
        hospital
    } else {
        AWAY_HOSPITAL
    });
    sheet
        .code('K', loss.number + 1, 6)
        .bytes(&loss.woman_id)
        .blank(1)
        .end()
}
