//! Columns of text for a terminal, and text that cannot steer one.
//!
//! What comes in: lines of cells. What goes out: the lines, each column as wide as its widest
//! cell. What may fail: nothing. What must stay true: a Chinese character takes two columns, so
//! widths are those of the terminal and not the number of characters.

use unicode_width::UnicodeWidthStr;

/// Space between columns.
pub const GAP: &str = "  ";

/// Which side of its column a cell keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Lines of cells, each column as wide as its widest cell.
#[must_use]
pub fn table(cells: &[Vec<String>], sides: &[Side]) -> Vec<String> {
    let width = |column: usize| {
        let widths = cells.iter().filter_map(|line| line.get(column));
        widths.map(|cell| cell.width()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..sides.len()).map(width).collect();
    let line = |line: &Vec<String>| {
        let padded: Vec<_> = line
            .iter()
            .zip(widths.iter().zip(sides))
            .map(|(cell, (width, side))| pad(cell, *width, *side))
            .collect();
        padded.join(GAP).trim_end().to_owned()
    };
    cells.iter().map(line).collect()
}

/// A cell in a column of a width.
#[must_use]
pub fn pad(cell: &str, width: usize, side: Side) -> String {
    let space = " ".repeat(width.saturating_sub(cell.width()));
    match side {
        Side::Left => format!("{cell}{space}"),
        Side::Right => format!("{space}{cell}"),
    }
}

/// Characters that move a cursor, or turn the direction of text so that it reads as another.
#[must_use]
pub fn is_steering(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A line without characters that steer.
#[must_use]
pub fn harmless(line: &str) -> String {
    line.replace(is_steering, "\u{fffd}")
}
