//! What somebody can find out who has everything that is published, and tries.
//!
//! The attackers know the structure of the tables, every value that is shown, that zeros are
//! always shown, and nothing of how the cells were chosen.

mod attack;
mod reports;

use attack::Reader;
use proptest::prelude::*;

use super::table::{CellId, Table};

/// Small counts are 1 to 3 here, so that every table can be tried.
const SMALLEST: i64 = 4;

/// A table of offices by months of boys and girls, with every total, or what one is made of.
struct Grid {
    table: Table,
    /// Of each cell: its parts and its value.
    cells: Vec<(Vec<usize>, i64, CellId)>,
    counts: Vec<i64>,
}

impl Grid {
    /// `values` by office, month, part; totals over each way, and pairs of months.
    fn new(offices: usize, months: usize, parts: usize, values: &[i64]) -> Self {
        // Two months are a year.
        let block = |at: usize| at / parts % months / 2;
        let mut table = Table::new(SMALLEST);
        let numbers: Vec<usize> = values
            .iter()
            .zip(0..)
            .map(|(value, at)| table.count(*value, block(at)))
            .collect();
        let mut grid = Self {
            table,
            cells: Vec::new(),
            counts: values.to_vec(),
        };
        let spans = |length: usize, pairs: bool| {
            let mut spans: Vec<Vec<usize>> = (0..length).map(|one| vec![one]).collect();
            if pairs && length > 2 {
                spans.extend((1..length).map(|second| vec![second - 1, second]));
            }
            if length > 1 {
                spans.push((0..length).collect());
            }
            spans
        };
        for of_offices in spans(offices, false) {
            for of_months in spans(months, true) {
                for of_parts in spans(parts, false) {
                    let mut sum = Vec::new();
                    for office in &of_offices {
                        for month in &of_months {
                            let at =
                                |part: &usize| numbers[(office * months + month) * parts + part];
                            sum.extend(of_parts.iter().map(at));
                        }
                    }
                    let value = sum.iter().map(|part| values[*part]).sum();
                    let cost = u64::try_from(sum.len()).unwrap();
                    let cell = grid.table.published(sum.clone(), cost);
                    grid.cells.push((sum, value, cell));
                }
            }
        }
        grid
    }

    /// What the reader has of it, if these cells are withheld.
    fn reader(&self, withheld: impl Fn(&(Vec<usize>, i64, CellId)) -> bool) -> Reader {
        let mut reader = Reader::new(self.counts.clone());
        for cell in &self.cells {
            if withheld(cell) {
                reader.withheld(cell.0.clone());
            } else {
                reader.shown(cell.0.clone(), cell.1);
            }
        }
        reader
    }

    fn is_small(cell: &(Vec<usize>, i64, CellId)) -> bool {
        (1..SMALLEST).contains(&cell.1)
    }

    /// Every small cell of which the reader is left with fewer values than there are small ones.
    fn found(&self, reader: &Reader) -> Vec<(Vec<usize>, Vec<i64>)> {
        let small = self.cells.iter().filter(|cell| Self::is_small(cell));
        let values = small.map(|cell| {
            // From the least that the shown zeros leave, no value is further than this.
            let tried = 1..=SMALLEST + i64::try_from(cell.0.len()).unwrap();
            let possible = tried.filter(|value| reader.allows(&cell.0, *value));
            (cell.0.clone(), possible.collect::<Vec<_>>())
        });
        let few = usize::try_from(SMALLEST - 1).unwrap();
        values
            .filter(|(_, possible)| possible.len() < few)
            .collect()
    }
}

#[test]
fn small_counts_alone_give_themselves_away() {
    // 2 is what 5 and 9 leave of 16; the others of its month and office are as easily found.
    let grid = Grid::new(2, 3, 1, &[2, 5, 9, 7, 6, 8]);
    let found = grid.found(&grid.reader(Grid::is_small));
    assert_eq!(found[0], (vec![0], vec![2]));
    let pattern = grid.table.decide();
    let reader = grid.reader(|cell| pattern.withholds(cell.2));
    assert_eq!(grid.found(&reader), []);
    // Of the totals that readers want most, the whole is still there.
    let whole = grid.cells.iter().max_by_key(|cell| cell.0.len()).unwrap();
    assert!(!pattern.withholds(whole.2));
    let shown = grid.cells.iter().filter(|cell| !pattern.withholds(cell.2));
    assert!(shown.count() >= 8, "{pattern:?}");
}

#[test]
fn two_small_counts_of_a_shown_sum_are_bounded_by_it() {
    // 3 + 2 = 5: each is at most 4, and 4 is allowed; 1 + 1 = 2 would be known at once.
    let open = Grid::new(1, 2, 1, &[3, 2]);
    assert!(!open.table.decide().withholds(open.cells[2].2));
    let grid = Grid::new(1, 3, 1, &[1, 1, 9]);
    let pattern = grid.table.decide();
    assert_eq!(
        grid.found(&grid.reader(|cell| pattern.withholds(cell.2))),
        []
    );
    let naive = grid.found(&grid.reader(Grid::is_small));
    assert!(naive.contains(&(vec![0], vec![1])), "{naive:?}");
}

#[test]
fn a_zero_is_shown_and_what_it_gives_away_is_taken_into_account() {
    let grid = Grid::new(2, 2, 2, &[0, 3, 0, 0, 6, 1, 2, 7]);
    let pattern = grid.table.decide();
    for cell in &grid.cells {
        assert!(cell.1 != 0 || !pattern.withholds(cell.2), "{cell:?}");
    }
    assert_eq!(
        grid.found(&grid.reader(|cell| pattern.withholds(cell.2))),
        []
    );
}

#[test]
fn what_is_not_published_can_still_not_be_found() {
    // An office's own 2 are its sum less the sum of its parts.
    let mut table = Table::new(SMALLEST);
    let (own, below) = (table.count(2, 0), table.count(9, 0));
    table.unpublished(vec![own]);
    let village = table.published(vec![below], 1);
    let township = table.published(vec![own, below], 2);
    let pattern = table.decide();
    assert!(pattern.withholds(village) && !pattern.withholds(township));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    /// Every way of filling in what is withheld is tried, for every small cell and value.
    #[test]
    fn no_small_count_is_found_in_any_table(
        (offices, months, parts) in prop::sample::select(vec![
            (1, 4, 1), (1, 6, 1), (2, 3, 1), (2, 4, 1), (3, 2, 1), (3, 3, 1), (2, 2, 2), (1, 3, 2), (2, 3, 2),
        ]),
        drawn in prop::collection::vec(prop_oneof![2 => 0_i64..4, 1 => 0_i64..9], 12),
    ) {
        let grid = Grid::new(offices, months, parts, &drawn[..offices * months * parts]);
        let pattern = grid.table.decide();
        for cell in &grid.cells {
            prop_assert!(!Grid::is_small(cell) || pattern.withholds(cell.2));
            prop_assert!(cell.1 != 0 || !pattern.withholds(cell.2));
        }
        let reader = grid.reader(|cell| pattern.withholds(cell.2));
        prop_assert_eq!(grid.found(&reader), vec![]);
        // The same table is always published in the same way.
        prop_assert_eq!(grid.table.decide(), pattern);
    }
}
