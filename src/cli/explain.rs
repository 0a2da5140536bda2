//! `audit explain`: why a finding is one.

use std::path::PathBuf;

use clap::Args;

use super::new_file::NewFile;
use super::output::Output;
use crate::app::error::failed;
use crate::app::explain::{Explanation, Point};
use crate::app::{App, AppError};
use crate::audit::catalogue::Catalogue;
use crate::report::chart::{Bar, bars};

/// Width of the longest bar, in characters.
const BAR_WIDTH: f64 = 40.0;

/// Arguments of `audit explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The finding: its id, or the first characters of it.
    id: String,
    /// A folder with rules of your own, as in `audit run`.
    #[arg(long, value_name = "FOLDER")]
    rules: Option<PathBuf>,
    /// Write the chart into a new SVG file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// What the source numbers of records are shown for; sealed.
    #[arg(long, default_value = "explanation of a finding", value_name = "TEXT")]
    purpose: String,
}

/// Does it.
pub(super) async fn run(app: &App, args: &ExplainArgs, output: &Output) -> Result<(), AppError> {
    let rules = match &args.rules {
        Some(folder) => Catalogue::with_folder(folder).map_err(failed("read", folder))?,
        None => Catalogue::built_in(),
    };
    let id = app.finding_named(&args.id).await?;
    let explained = app.explain(&rules, id, &args.purpose).await?;
    if let Some(path) = &args.svg {
        if explained.chart.is_empty() {
            let what = format!("the rule {} has no chart", explained.rule);
            return Err(AppError::Usage(what));
        }
        NewFile::create(path)?.write(drawing(&explained, output).as_bytes())?;
    }
    if output.json {
        output.data(&serde_json::to_string(&explained).unwrap_or_default());
    } else {
        show(&explained, output);
    }
    Ok(())
}

fn drawing(explained: &Explanation, output: &Output) -> String {
    let points = explained.chart.iter().map(|point| Bar {
        label: point.at.clone(),
        value: point.value,
        expected: point.expected,
    });
    let title = explained.title.get(output.locale());
    let arithmetic = explained.arithmetic.get(output.locale());
    bars(title, arithmetic, &points.collect::<Vec<_>>())
}

fn show(explained: &Explanation, output: &Output) {
    let said = |english: &str, chinese: &str, text: &str| {
        if !text.is_empty() {
            output.data(&format!("{}: {text}", output.pick(english, chinese)));
        }
    };
    let language = output.locale();
    let title = explained.title.get(language);
    output.data(&format!(
        "{} {title} ({})",
        explained.rule, explained.verdict
    ));
    said("finding", "发现", &explained.id.to_string());
    let office = format!(
        "{} {}",
        explained.office,
        explained.office_name.get(language)
    );
    said("office", "单位", &office);
    said(
        "period",
        "期间",
        explained.period.as_deref().unwrap_or_default(),
    );
    said(
        "as of position",
        "截至位置",
        &explained.position.to_string(),
    );
    said("question", "询问", explained.question.get(language));
    said("arithmetic", "算式", explained.arithmetic.get(language));
    for (name, p) in [
        ("p", explained.p),
        ("mid-p", explained.p_mid),
        ("q", explained.q),
    ] {
        if let Some(p) = p {
            output.data(&format!("{name} = {p:.3e}"));
        }
    }
    if let Some(digest) = &explained.raised_by {
        said(
            "raised by other rules, whose digest is",
            "原由另一规则集提出，其摘要为",
            digest,
        );
    }
    let numbers: Vec<String> = explained
        .numbers
        .iter()
        .map(|(name, number)| format!("{name} = {number}"))
        .collect();
    said("computed", "计算值", &numbers.join(", "));
    records(explained, output);
    chart(&explained.chart, output);
    output.data("");
    output.data(explained.sql.trim_end());
}

fn records(explained: &Explanation, output: &Output) {
    if explained.record_count == 0 {
        return;
    }
    let count = explained.record_count;
    output.data(&format!("{}: {count}", output.pick("records", "记录数")));
    for record in &explained.records {
        let fields = record.fields.iter();
        let fields: Vec<String> = fields
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        output.data(&format!(
            "  {} {} {}",
            record.kind,
            record.source_record_id,
            fields.join(" ")
        ));
    }
}

/// Bars of characters; a `|` stands where something was expected.
fn chart(points: &[Point], output: &Output) {
    let values = points
        .iter()
        .flat_map(|point| [Some(point.value), point.expected]);
    let top = values.flatten().fold(1.0, f64::max);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the width of a bar"
    )]
    let width = |value: f64| (value.max(0.0) / top * BAR_WIDTH).round() as usize;
    let labels = points.iter().map(|point| point.at.chars().count());
    let label_width = labels.max().unwrap_or_default();
    for point in points {
        let mut bar: Vec<char> = vec!['█'; width(point.value)];
        if let Some(expected) = point.expected {
            let mark = width(expected);
            bar.resize(bar.len().max(mark + 1), ' ');
            bar[mark] = '|';
        }
        let bar: String = bar.into_iter().collect();
        output.data(&format!(
            "  {:>label_width$} {bar} {}",
            point.at, point.value
        ));
    }
}
