//! A drawing of p-values beside those that chance gives: one field for each rule.
//!
//! What comes in: p-values by rule. What goes out: the text of an SVG that needs no other file.
//! What may fail: nothing. What must stay true: a point above the diagonal is a p-value that is
//! smaller than it may be; no point is left out but where it lies on others.

use std::fmt::Write;

use quick_xml::escape::escape;

/// Side of a field, in pixels.
const SIDE: f64 = 150.0;
/// Space around it.
const EDGE: f64 = 34.0;
/// Fields in a row.
const ACROSS: usize = 6;
/// Powers of ten that a field shows.
const POWERS: f64 = 5.0;

/// The p-values of one rule.
pub struct Field {
    /// What stands above it.
    pub title: String,
    /// In any order.
    pub p: Vec<f64>,
}

fn number(items: usize) -> f64 {
    u32::try_from(items).map_or(f64::INFINITY, f64::from)
}

/// -log10 of observed p-values above -log10 of the quantiles of a uniform distribution.
pub fn draw(fields: &[Field]) -> String {
    let pitch = SIDE + EDGE;
    let (across, down) = (ACROSS.min(fields.len()), fields.len().div_ceil(ACROSS));
    let (width, height) = (number(across) * pitch + EDGE, number(down) * pitch + EDGE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"10\">\n\
         <title>p-values of each rule without any fault, beside those of chance</title>\n\
         <desc>-log10 p observed (upwards) and expected (to the right), 0 to {POWERS}; \
         above the diagonal p-values are too small</desc>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (place, field) in fields.iter().enumerate() {
        let (column, row) = (number(place % ACROSS), number(place / ACROSS));
        let (x, y) = (EDGE + column * pitch, EDGE + row * pitch);
        let _ = writeln!(
            svg,
            "<g transform=\"translate({x} {y})\">{}</g>",
            one(field)
        );
    }
    svg + "</svg>\n"
}

fn one(field: &Field) -> String {
    let scale = SIDE / POWERS;
    let mut svg = format!(
        "<rect width=\"{SIDE}\" height=\"{SIDE}\" fill=\"none\" stroke=\"#999\"/>\
         <path d=\"M0 {SIDE}L{SIDE} 0\" stroke=\"#999\"/><text y=\"-4\">{}</text>",
        escape(&field.title)
    );
    for power in 0..=5 {
        let at = f64::from(power) * scale;
        let _ = write!(
            svg,
            "<text x=\"{at}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666\">{power}</text>",
            SIDE + 11.0
        );
    }
    let mut p = field.p.clone();
    p.sort_by(f64::total_cmp);
    let mut last = (f64::NAN, f64::NAN);
    for (rank, p) in p.iter().enumerate() {
        let expected = -((number(rank) + 0.5) / number(field.p.len())).log10();
        let observed = -p.max(1e-300).log10();
        let x = (expected.min(POWERS) * scale * 2.0).round() / 2.0;
        let y = SIDE - (observed.clamp(0.0, POWERS) * scale * 2.0).round() / 2.0;
        if (x, y) != last {
            let _ = write!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"1.2\"/>");
        }
        last = (x, y);
    }
    svg
}
