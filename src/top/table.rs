//! What the tables of services and backends have in common: columns, order, filter, and which row is selected. Pure.

use std::cmp::Ordering;

use super::tone::Tone;

/// What a table has in its rows.
pub trait Row: Sized + 'static {
    /// The columns, in the order in which they are shown.
    const COLUMNS: &'static [Column<Self>];

    /// The name by which a row is selected.
    fn name(&self) -> &str;

    /// Sets the name, which the document has beside the row.
    fn set_name(&mut self, name: String);

    /// The words in which a filter is searched, in addition to the name.
    fn words(&self) -> [&str; 2];
}

/// A column.
#[derive(Debug)]
pub struct Column<R> {
    /// Its heading.
    pub title: &'static str,
    /// How many characters it has.
    pub width: u16,
    /// How badly it is needed: where there is no room for all columns, those with the highest numbers are left out first.
    pub rank: u8,
    /// Whether it can use the room that is left over. Of several such columns the last one that is shown gets most of it.
    pub grows: bool,
    /// Whether it has figures, which are aligned to the right.
    pub is_figure: bool,
    /// What it shows of a row.
    pub text: fn(&R) -> String,
    /// How that is to be understood.
    pub tone: fn(&R) -> Tone,
    /// What comes first: the worst, the most, or the first of the alphabet.
    pub order: fn(&R, &R) -> Ordering,
}

/// How many more characters a name gets where there is room. The last column that grows has a text, which gets all the rest.
const LONGER: u16 = 16;

/// How somebody looks at a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    /// The name of the selected row.
    selected: Option<String>,
    /// Its place when it was last seen. When the row is gone, the one that is there now is selected.
    place: usize,
    /// The number of the column that the rows are in the order of.
    pub sort: usize,
    /// The other way round.
    pub is_reversed: bool,
    /// What rows must have in their name or their words.
    pub filter: String,
}

/// A step of the selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many rows up (negative) or down.
    By(isize),
    /// To the first row.
    First,
    /// To the last row.
    Last,
}

impl Listing {
    /// The rows that pass the filter, in order.
    pub fn rows<'a, R: Row>(&self, all: &'a [R]) -> Vec<&'a R> {
        let wanted = self.filter.to_lowercase();
        let passes = |row: &&R| {
            wanted.is_empty()
                || std::iter::once(row.name()).chain(row.words()).any(|text| text.to_lowercase().contains(&wanted))
        };
        let mut rows: Vec<&R> = all.iter().filter(passes).collect();
        if let Some(column) = R::COLUMNS.get(self.sort) {
            rows.sort_by(|a, b| {
                let order = (column.order)(a, b);
                let order = if self.is_reversed { order.reverse() } else { order };
                order.then_with(|| a.name().cmp(b.name()))
            });
        }
        rows
    }

    /// The place of the selected row among these.
    pub fn place<R: Row>(&self, rows: &[&R]) -> Option<usize> {
        let known = self.selected.as_deref().and_then(|name| rows.iter().position(|row| row.name() == name));
        known.or_else(|| rows.len().checked_sub(1).map(|last| self.place.min(last)))
    }

    /// The selected row.
    pub fn current<'a, R: Row>(&self, all: &'a [R]) -> Option<&'a R> {
        let rows = self.rows(all);
        self.place(&rows).map(|place| rows[place])
    }

    /// Selects another row.
    pub fn step<R: Row>(&mut self, all: &[R], step: Step) {
        let rows = self.rows(all);
        let Some(last) = rows.len().checked_sub(1) else { return };
        self.place = match step {
            Step::By(rows_down) => self.place(&rows).unwrap_or_default().saturating_add_signed(rows_down).min(last),
            Step::First => 0,
            Step::Last => last,
        };
        self.selected = Some(rows[self.place].name().to_owned());
    }

    /// Keeps the selection on its row, or where that is gone, on its place.
    pub fn settle<R: Row>(&mut self, all: &[R]) {
        self.step(all, Step::By(0));
    }

    /// Takes the next column to be in the order of.
    pub fn next_sort<R: Row>(&mut self) {
        self.sort = (self.sort + 1) % R::COLUMNS.len();
        self.is_reversed = false;
    }
}

/// The greater number first; what was not measured comes last.
pub fn most_first(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// The columns for which there is room, with their widths. One character is left free between two of them.
pub fn fit<R: Row>(room: u16) -> Vec<(&'static Column<R>, u16)> {
    let mut shown: Vec<&'static Column<R>> = R::COLUMNS.iter().collect();
    let needed =
        |shown: &[&'static Column<R>]| shown.iter().map(|column| column.width + 1).sum::<u16>().saturating_sub(1);
    while needed(&shown) > room {
        let Some(least) = (0..shown.len()).max_by_key(|&at| shown[at].rank) else { break };
        shown.remove(least);
    }
    let spare = room.saturating_sub(needed(&shown));
    let last = shown.iter().rposition(|column| column.grows);
    let is_name = |at: usize, column: &Column<R>| column.grows && Some(at) != last;
    let names =
        u16::try_from(shown.iter().enumerate().filter(|(at, column)| is_name(*at, column)).count()).unwrap_or(0);
    let longer = LONGER.min(spare / (names + 1));
    let widths = shown.iter().enumerate().map(|(at, column)| {
        let more = match column.grows {
            true if Some(at) == last => spare - longer * names,
            true => longer,
            false => 0,
        };
        (*column, column.width + more)
    });
    widths.collect()
}

#[cfg(test)]
mod tests {
    use super::super::document::Service;
    use super::*;

    fn services() -> Vec<Service> {
        let service = |name: &str, rate, words: &str| Service {
            name: name.to_owned(),
            rate: Some(rate),
            words: words.to_owned(),
            ..Service::default()
        };
        vec![service("api", 5.0, ""), service("mail", 50.0, "Refused"), service("web", 20.0, "")]
    }

    fn names(listing: &Listing, all: &[Service]) -> Vec<String> {
        listing.rows(all).iter().map(|row| row.name.clone()).collect()
    }

    fn by(title: &str) -> Listing {
        let sort = Service::COLUMNS.iter().position(|column| column.title == title).unwrap();
        Listing { sort, ..Listing::default() }
    }

    #[test]
    fn rows_are_in_the_order_of_a_column_or_the_other_way_round() {
        let all = services();
        assert_eq!(names(&by("RATE"), &all), ["mail", "web", "api"]);
        assert_eq!(names(&Listing { is_reversed: true, ..by("RATE") }, &all), ["api", "web", "mail"]);
        assert_eq!(names(&by("SERVICE"), &all), ["api", "mail", "web"]);
    }

    #[test]
    fn a_filter_looks_at_names_and_words_whatever_their_case() {
        let filtered = |filter: &str| names(&Listing { filter: filter.to_owned(), ..by("SERVICE") }, &services());
        assert_eq!(filtered("A"), ["api", "mail"]);
        assert_eq!(filtered("refused"), ["mail"]);
        assert_eq!(filtered("nothing").len(), 0);
    }

    #[test]
    fn the_selection_stays_on_its_row_when_the_order_changes() {
        let mut all = services();
        let mut listing = by("RATE");
        listing.step(&all, Step::By(1));
        assert_eq!(listing.current(&all).unwrap().name, "web");
        all[0].rate = Some(900.0);
        listing.settle(&all);
        assert_eq!((listing.current(&all).unwrap().name.as_str(), listing.place), ("web", 2));
    }

    #[test]
    fn when_the_selected_row_is_gone_its_place_is_selected() {
        let mut all = services();
        let mut listing = by("SERVICE");
        listing.step(&all, Step::Last);
        all.pop();
        assert_eq!(listing.current(&all).unwrap().name, "mail");
        assert!(listing.current::<Service>(&[]).is_none());
    }

    #[test]
    fn steps_end_at_the_first_and_the_last_row() {
        let all = services();
        let mut listing = by("SERVICE");
        listing.step(&all, Step::By(-10));
        assert_eq!(listing.current(&all).unwrap().name, "api");
        listing.step(&all, Step::By(10));
        assert_eq!(listing.current(&all).unwrap().name, "web");
        listing.step(&all, Step::First);
        assert_eq!(listing.current(&all).unwrap().name, "api");
        listing.step::<Service>(&[], Step::Last);
    }

    #[test]
    fn what_was_not_measured_comes_last() {
        assert_eq!(most_first(None, Some(0.0)), Ordering::Greater);
        assert_eq!(most_first(Some(0.0), None), Ordering::Less);
        assert_eq!(most_first(Some(1.0), Some(2.0)), Ordering::Greater);
        assert_eq!(most_first(None, None), Ordering::Equal);
    }

    #[test]
    fn where_there_is_little_room_the_least_needed_columns_are_left_out() {
        let titles = |room| fit::<Service>(room).iter().map(|(column, _)| column.title).collect::<Vec<_>>();
        let (all, few) = (titles(200), titles(40));
        assert_eq!(all.len(), Service::COLUMNS.len());
        assert!(few.len() < all.len() && few.contains(&"STATE") && few.contains(&"SERVICE"), "{few:?}");
        let width = |room| fit::<Service>(room).iter().map(|(_, width)| width + 1).sum::<u16>() - 1;
        assert!(width(200) <= 200 && width(80) <= 80 && width(58) <= 58);
    }
}
