//! Drawings of reports: from numbers to SVG that stands inside a page.
//!
//! What comes in: counts by month with what the returns said and the limits of chance, or a value
//! with its target, and the words beside them. What goes out: the text of one `<svg>` element
//! that needs no font, script or file of its own. What may fail: nothing; what is not known is
//! left out of the drawing. What must stay true: a drawing shows nothing that its table does not
//! say in text; its name and description say the same to those who do not see it; every text is
//! escaped.

use std::fmt::Write;

use quick_xml::escape::escape;

use crate::statistics::rational::Rational;

/// Width of the place of one month.
const MONTH_WIDTH: u32 = 56;
/// Width of the scale beside the months.
const SCALE_WIDTH: u32 = 34;
/// Height of the field in which months stand.
const FIELD_HEIGHT: u32 = 120;
/// Height of what stands above the field: the number over the tallest bar.
const TOP: u32 = 16;
/// Height of what stands below the field: the months.
const BOTTOM: u32 = 20;
/// Where the limit of a target stands in its drawing.
const TARGET_X: i128 = 100;
/// Where drawings of targets end.
const BAR_END: u32 = 160;

/// One month of a drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month {
    /// Its name below the bars.
    pub label: String,
    /// What was counted; absent where it is withheld.
    pub counted: Option<i128>,
    /// What the returns said.
    pub returned: Option<i128>,
    /// The least and the most that chance alone gives.
    pub limits: Option<(i128, i128)>,
}

/// The words of a drawing of months.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// What is drawn.
    pub title: &'a str,
    /// The same numbers in a sentence.
    pub description: &'a str,
    /// What stands in the place of a count that is withheld.
    pub withheld: &'a str,
}

/// Bars by month, the limits of chance as a band behind them. Units are pixels.
#[must_use]
pub fn months(words: Words<'_>, months: &[Month]) -> String {
    let columns = u32::try_from(months.len()).unwrap_or(u32::MAX / MONTH_WIDTH);
    let width = SCALE_WIDTH + columns.saturating_mul(MONTH_WIDTH);
    let height = TOP + FIELD_HEIGHT + BOTTOM;
    let step = step(months);
    let top = step.saturating_mul(4);
    // 0 stands at the foot of the field, the highest line of the scale at its head.
    let y = |count: i128| {
        let length = Rational::new(count.saturating_mul(i128::from(FIELD_HEIGHT)), top);
        TOP + FIELD_HEIGHT - pixels(length, FIELD_HEIGHT)
    };
    let foot = y(0);
    let mut svg = format!(
        r#"<svg class="chart" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"><title>{}</title><desc>{}</desc>"#,
        escape(words.title),
        escape(words.description),
    );
    for line in 0..=4 {
        let (count, text_x) = (line * step, SCALE_WIDTH - 6);
        let at = y(count);
        let _ = write!(
            svg,
            r##"<path d="M{SCALE_WIDTH} {at}H{width}" stroke="#d5dbe3"/><text x="{text_x}" y="{}" text-anchor="end">{count}</text>"##,
            at + 4
        );
    }
    for (month, column) in months.iter().zip(0..) {
        let x = SCALE_WIDTH + column * MONTH_WIDTH;
        if let Some((least, most)) = month.limits {
            let (head, height) = (y(most), y(least) - y(most));
            let _ = write!(
                svg,
                r##"<rect x="{x}" y="{head}" width="{MONTH_WIDTH}" height="{height}" fill="#f0dfb8" fill-opacity=".6"/>"##
            );
        }
        let bars = [
            (6, "#3b6ea5", month.counted, words.withheld),
            (30, "#b7c6d8", month.returned, ""),
        ];
        for (offset, colour, count, otherwise) in bars {
            let (left, middle) = (x + offset, x + offset + 10);
            let head = count.map_or(foot, y);
            if head < foot {
                let height = foot - head;
                let _ = write!(
                    svg,
                    r#"<rect x="{left}" y="{head}" width="20" height="{height}" fill="{colour}"/>"#
                );
            }
            let number = count.map_or_else(|| otherwise.to_owned(), |count| count.to_string());
            if !number.is_empty() {
                let _ = write!(
                    svg,
                    r#"<text x="{middle}" y="{}" text-anchor="middle">{}</text>"#,
                    head - 3,
                    escape(number.as_str())
                );
            }
        }
        let _ = write!(
            svg,
            r#"<text x="{}" y="{}" text-anchor="middle">{}</text>"#,
            x + MONTH_WIDTH / 2,
            height - 5,
            escape(month.label.as_str())
        );
    }
    svg.push_str("</svg>");
    svg
}

/// The distance of the scale's lines: 1, 2 or 5 times a power of ten, four of which hold all.
fn step(months: &[Month]) -> i128 {
    let counts = months.iter().flat_map(|month| {
        let most = month.limits.map(|(_, most)| most);
        [month.counted, month.returned, most].into_iter().flatten()
    });
    let highest = counts.max().unwrap_or(0);
    let steps = (0..36).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_i128.pow(power)));
    let mut fitting = steps.filter(|step| step.saturating_mul(4) >= highest);
    fitting.next().unwrap_or(i128::MAX / 4)
}

/// One bar of a drawing of bars.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Its name below.
    pub label: String,
    /// How high it is.
    pub value: f64,
    /// Where its mark stands, where something was expected.
    pub expected: Option<f64>,
}

/// Bars of one height for each unit of their values, with marks where something was expected.
/// Units are pixels; every bar has its name and number as text.
#[must_use]
pub fn bars(title: &str, description: &str, bars: &[Bar]) -> String {
    const WIDTH: u32 = 22;
    let columns = u32::try_from(bars.len()).unwrap_or(u32::MAX / WIDTH);
    let (width, names) = (columns.saturating_mul(WIDTH).saturating_add(8), 56);
    let height = TOP + FIELD_HEIGHT + names;
    let values = bars.iter().flat_map(|bar| [Some(bar.value), bar.expected]);
    let top = values.flatten().fold(1.0, f64::max);
    let y = |value: f64| {
        let field = f64::from(FIELD_HEIGHT);
        f64::from(TOP) + field - (value.max(0.0) / top * field).round()
    };
    let foot = TOP + FIELD_HEIGHT;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="chart" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-size="9" role="img"><title>{}</title><desc>{}</desc>"#,
        escape(title),
        escape(description),
    );
    for (bar, column) in bars.iter().zip(0..) {
        let x = 4 + column * WIDTH;
        let (middle, head) = (x + WIDTH / 2, y(bar.value));
        let _ = write!(
            svg,
            r##"<rect x="{}" y="{head}" width="{}" height="{}" fill="#3b6ea5"/><text x="{middle}" y="{}" text-anchor="middle">{}</text>"##,
            x + 2,
            WIDTH - 4,
            f64::from(foot) - head,
            head - 3.0,
            bar.value,
        );
        if let Some(expected) = bar.expected {
            let at = y(expected);
            let _ = write!(
                svg,
                r##"<path d="M{x} {at}h{WIDTH}" stroke="#b3542a" stroke-width="2"/>"##
            );
        }
        let _ = write!(
            svg,
            r#"<text transform="translate({middle} {}) rotate(-60)" text-anchor="end">{}</text>"#,
            foot + 10,
            escape(bar.label.as_str()),
        );
    }
    let _ = write!(
        svg,
        r##"<path d="M0 {foot}H{width}" stroke="#7a8798"/></svg>"##
    );
    svg
}

/// A value beside its target, in a drawing in which the target's limit always has one place.
#[derive(Debug, Clone, Copy)]
pub struct TargetBar<'a> {
    /// The value and the target in words.
    pub title: &'a str,
    /// The value.
    pub value: Rational,
    /// The limit, or the range.
    pub target: (Rational, Rational),
}

impl TargetBar<'_> {
    /// The drawing; `None` where the target is zero and leaves no scale.
    #[must_use]
    pub fn draw(&self) -> Option<String> {
        let (from, to) = self.target;
        let scale = Rational::whole(TARGET_X).over(to)?;
        let x = |length: Rational| pixels(length.times(scale), BAR_END);
        let (value, left) = (x(self.value), x(from));
        let width = x(to).saturating_sub(left).max(2);
        Some(format!(
            r##"<svg class="bar" width="{BAR_END}" height="14" viewBox="0 0 {BAR_END} 14" role="img"><title>{}</title><rect y="4" width="{BAR_END}" height="6" fill="#e4e8ed"/><rect y="4" width="{value}" height="6" fill="#3b6ea5"/><rect x="{left}" width="{width}" height="14" fill="#1d2733" fill-opacity=".7"/></svg>"##,
            escape(self.title)
        ))
    }
}

/// Whole units of a drawing, from 0 to `end`.
fn pixels(length: Option<Rational>, end: u32) -> u32 {
    let length = length.filter(|l| *l > Rational::whole(0));
    length.map_or(0, |l| l.to_decimal(0).parse().unwrap_or(end).min(end))
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::*;

    const WORDS: Words<'static> = Words {
        title: "Births <by> month",
        description: "\"3\" & 12",
        withheld: "…",
    };

    fn month(counted: Option<i128>, returned: Option<i128>, most: i128) -> Month {
        Month {
            label: "2014-01".to_owned(),
            counted,
            returned,
            limits: Some((0, most)),
        }
    }

    /// Every rectangle as (x, y, width, height), and every text; fails on XML that is not well
    /// formed.
    fn read(svg: &str) -> (Vec<[u32; 4]>, Vec<String>) {
        let (mut rectangles, mut texts) = (Vec::new(), Vec::new());
        let mut reader = Reader::from_str(svg);
        loop {
            match reader.read_event().unwrap() {
                Event::Empty(tag) if tag.name().as_ref() == b"rect" => {
                    let number = |name: &str| {
                        let found = tag.try_get_attribute(name).unwrap();
                        found.map_or(0, |a| {
                            std::str::from_utf8(&a.value).unwrap().parse().unwrap()
                        })
                    };
                    rectangles.push(["x", "y", "width", "height"].map(number));
                }
                Event::Text(text) => texts.push(text.decode().unwrap().into_owned()),
                Event::Eof => return (rectangles, texts),
                _ => {}
            }
        }
    }

    #[test]
    fn bars_are_as_high_as_their_counts() {
        let svg = months(WORDS, &[month(Some(20), Some(10), 40)]);
        let (rectangles, texts) = read(&svg);
        // 40 is the highest line: the band fills the field, the bars half and a quarter of it.
        assert_eq!(
            rectangles,
            [[34, 16, 56, 120], [40, 76, 20, 60], [64, 106, 20, 30]]
        );
        for text in ["0", "10", "20", "30", "40", "2014-01"] {
            assert!(texts.iter().any(|one| one == text), "{text} {texts:?}");
        }
    }

    #[test]
    fn what_is_withheld_has_a_mark_and_no_bar() {
        let withheld = Month {
            limits: None,
            ..month(None, None, 0)
        };
        let (rectangles, texts) = read(&months(WORDS, &[withheld, month(Some(12), None, 15)]));
        assert_eq!(rectangles.len(), 2);
        assert!(texts.iter().any(|text| text == "…"));
        assert!(read(&months(WORDS, &[])).0.is_empty());
    }

    #[test]
    fn words_are_escaped_and_extremes_stay_inside() {
        let svg = months(WORDS, &[month(Some(i128::MAX), Some(-5), i128::MAX)]);
        assert!(svg.contains("Births &lt;by&gt; month") && svg.contains("&amp;"));
        for [_, y, _, height] in read(&svg).0 {
            assert!(y >= TOP && y + height <= TOP + FIELD_HEIGHT, "{svg}");
        }
    }

    #[test]
    fn a_target_stands_where_its_limit_is() {
        let whole = Rational::whole;
        let bar = |value, from, to| TargetBar {
            title: "a < b",
            value: whole(value),
            target: (whole(from), whole(to)),
        };
        let drawn = bar(5, 10, 10).draw().unwrap();
        assert_eq!(
            read(&drawn).0,
            [[0, 4, 160, 6], [0, 4, 50, 6], [100, 0, 2, 14]]
        );
        let drawn = bar(-3, 50, 100).draw().unwrap();
        assert_eq!(
            read(&drawn).0[1..],
            [[0, 4, 0, 6], [50, 0, 50, 14]],
            "{drawn}"
        );
        assert_eq!(read(&bar(900, 1, 1).draw().unwrap()).0[1], [0, 4, 160, 6]);
        assert!(bar(1, 0, 0).draw().is_none());
    }
}
