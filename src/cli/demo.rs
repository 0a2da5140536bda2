//! `demo`: all of it, on an invented community, in one go.

use super::args::Demo;
use super::importing;
use super::output::Output;
use super::report::{Asked, Form, Public};
use crate::app::{App, AppError, InitOptions};
use crate::audit::verify::Scope;
use crate::intake::ImportOptions;
use crate::model::entry::Entry;
use crate::model::id::OfficeCode;
use crate::model::period::Period;
use crate::simulate;
use crate::store::location::Location;
use crate::store::sqlite_tamper::overwrite_entry;

/// The community of the half-year sample.
const OFFICE: &str = "990101100001";

/// What the demonstration does, in two languages.
const STEPS: [(&str, &str); 6] = [
    (
        "a new ledger with a simulated clock",
        "新建账本（模拟时钟）",
    ),
    (
        "a delivery of invented persons",
        "生成示例报送（人物均为虚构）",
    ),
    (
        "imported in the order of the reports, and sealed",
        "按上报日期导入并封存",
    ),
    (
        "the half-year summary beside the plan's targets",
        "半年小结与计划指标",
    ),
    ("everything recomputed", "全部重新计算核验"),
    (
        "one byte of one birth is changed behind the ledger's back",
        "绕过账本改动一条出生记录的一个字节",
    ),
];

/// Runs the demonstration.
pub async fn run(args: &Demo, output: &Output) -> Result<(), AppError> {
    let folder = &args.into;
    let step = |number: usize| {
        let (english, chinese) = STEPS[number - 1];
        output.say(
            &format!("\n{number}. {english}"),
            &format!("\n{number}. {chinese}"),
        );
    };
    step(1);
    let options = InitOptions {
        store: Location::Folder,
        simulated_clock: true,
        origin: None,
    };
    let app = App::init(folder, &options).await?;
    output.note_clock(&app);
    output.data(&format!(
        "{}  {}",
        output.pick("ledger", "账本"),
        folder.display()
    ));

    step(2);
    let delivery = folder.join("delivery");
    let summary = simulate::write_half_year(&delivery, args.seed)?;
    let rows = summary.total();
    output.data(&format!(
        "{}  {}  ({rows})",
        output.pick("delivery", "报送"),
        delivery.display()
    ));

    step(3);
    let import = ImportOptions {
        dry_run: false,
        strict: false,
        rejects_folder: folder.clone(),
        batch_rows: crate::intake::BATCH_ROWS,
        within: None,
    };
    let imported = importing::import(&app, &[delivery], &import, None, output).await?;
    importing::outcome(&imported)?;

    step(4);
    report(&app, output).await?;

    step(5);
    let report = super::verify::check(&app, Scope::Everything, output).await?;
    if let Some(wrong) = report.wrong {
        return Err(AppError::Integrity(wrong.to_string()));
    }

    step(6);
    tamper(&app, output).await?;
    app.close().await;
    next(folder, output);
    Ok(())
}

async fn report(app: &App, output: &Output) -> Result<(), AppError> {
    let wrong = || AppError::Usage("the sample's office or period".to_owned());
    let office = OfficeCode::parse(OFFICE).ok_or_else(wrong)?;
    let period = Period::parse("2014-H1").ok_or_else(wrong)?;
    // After the last monthly returns, which leave on 1 and 3 July.
    let size = app.size_at(crate::app::reading::AsOf::Head).await?;
    let form = if output.json { Form::Json } else { Form::Text };
    let asked = Asked {
        office,
        period,
        size,
        form,
        public: Public::default(),
        targets: app.targets(None)?,
    };
    let text = super::report::render(app, asked, output).await?;
    output.raw(&text)
}

/// Changes a digit of a stored weight, shows that `verify` says where, and puts it back.
async fn tamper(app: &App, output: &Output) -> Result<(), AppError> {
    let (position, bytes, at) = birth_with_weight(app).await?;
    let mut changed = bytes.clone();
    changed[at] = if changed[at] == b'4' { b'3' } else { b'4' };
    let (before, after) = (char::from(bytes[at]), char::from(changed[at]));
    output.data(&format!(
        "{} {position}: weight_g {before}... -> {after}...",
        output.pick("entry", "条目")
    ));
    overwrite_entry(&app.folder, position, &changed).await?;
    let report = super::verify::check(app, Scope::Everything, output).await;
    overwrite_entry(&app.folder, position, &bytes).await?;
    let found = report?.wrong.and_then(|wrong| wrong.position);
    if found != Some(position) {
        let what = format!("position {position} was changed, but verify named {found:?}");
        return Err(AppError::Integrity(what));
    }
    output.say("restored; verified again:", "已恢复，再次核验：");
    let report = super::verify::check(app, Scope::Everything, output).await?;
    report
        .wrong
        .map_or(Ok(()), |wrong| Err(AppError::Integrity(wrong.to_string())))
}

/// The first birth with a weight: its position, its bytes, and where the weight's digits begin.
async fn birth_with_weight(app: &App) -> Result<(u64, Vec<u8>, usize), AppError> {
    const FIELD: &[u8] = b"\"weight_g\":";
    let mut from = 0;
    loop {
        let batch = app.ledger.store.entries(from, 2048).await?;
        let Some(last) = batch.last() else {
            return Err(AppError::Usage(
                "the sample has no birth with a weight".to_owned(),
            ));
        };
        from = last.position + 1;
        for stored in batch {
            let birth = Entry::parse(&stored.bytes).is_ok_and(|e| e.aggregate_type == "birth");
            let found = stored
                .bytes
                .windows(FIELD.len())
                .position(|window| window == FIELD);
            if let (true, Some(at)) = (birth, found) {
                return Ok((stored.position, stored.bytes, at + FIELD.len()));
            }
        }
    }
}

fn next(folder: &std::path::Path, output: &Output) {
    let dir = folder.display();
    output.say(
        &format!(
            "\nNext, with --dir {dir}:\n  vitaledger log --kind birth\n  vitaledger show birth/village/<source_record_id from {dir}/delivery/births.csv>\n  vitaledger registers births --as-of 2014-03-31\n  vitaledger report half-year --office {OFFICE} --period 2014-H1 --format html > report.html\n  vitaledger checkpoint"
        ),
        &format!(
            "\n接下来可以试试（加上 --dir {dir}）：\n  vitaledger log --kind birth\n  vitaledger show birth/village/<{dir}/delivery/births.csv 中的来源编号>\n  vitaledger registers births --as-of 2014-03-31\n  vitaledger report half-year --office {OFFICE} --period 2014-H1 --format html --lang zh > report.html\n  vitaledger checkpoint"
        ),
    );
}
