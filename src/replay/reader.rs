//! Rows out of a file: CSV with a header, or JSON lines. Which of the two it is, the first line tells.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufRead};
use std::time::Duration;

use serde_json::{Map, Value};

use super::column::Column;
use super::figures::Figures;
use super::lines::Lines;
use super::time;

/// Columns that are not known are told of, but not for ever.
const MOST_UNKNOWN: usize = 50;

/// What a line says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// When the interval ended, since 1970.
    pub time: Duration,
    /// The service; may be empty.
    pub service: String,
    /// The backend; may be empty.
    pub backend: String,
    /// Its numbers.
    pub figures: Figures,
}

/// Why there is no row.
#[derive(Debug)]
pub enum Trouble {
    /// The file can't be read.
    Read(io::Error),
    /// Nothing in the file can be understood.
    File(String),
    /// A line can't be understood; others can.
    Row(String),
}

/// Reads rows.
#[derive(Debug)]
pub struct Reader<R> {
    lines: Lines<R>,
    format: Option<Format>,
    /// Names of columns that are not known.
    unknown: BTreeSet<String>,
    warnings: Vec<String>,
}

#[derive(Debug)]
enum Format {
    Json,
    Csv(Header),
}

#[derive(Debug)]
struct Header {
    delimiter: u8,
    /// The line itself: files that were put together have it again.
    line: Vec<u8>,
    slots: Vec<Slot>,
}

/// Where a value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Time,
    Service,
    Backend,
    Figure(Column),
    Ignored,
}

impl<R: BufRead> Reader<R> {
    /// Reads this from its beginning.
    pub fn new(input: R) -> Self {
        Self { lines: Lines::new(input), format: None, unknown: BTreeSet::new(), warnings: Vec::new() }
    }

    /// The number of the line that was read last, from 1.
    pub fn line(&self) -> u64 {
        self.lines.number
    }

    /// What to tell of the file so far, each once.
    pub fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Reads the next row into `row`; `false` = there is none.
    ///
    /// # Errors
    ///
    /// After [`Trouble::Row`], the rows behind it can be read.
    pub fn next(&mut self, row: &mut Row) -> Result<bool, Trouble> {
        loop {
            let Some(line) = self.lines.next().map_err(Trouble::Read)? else { return Ok(false) };
            let line = line.map_err(|_| Trouble::Row("the line is longer than 64 KiB".to_owned()))?;
            let line = std::str::from_utf8(line).map_err(|_| Trouble::Row("the line is not UTF-8 text".to_owned()))?;
            let (unknown, warnings) = (&mut self.unknown, &mut self.warnings);
            let mut warn_of = |name: &str| {
                if unknown.len() < MOST_UNKNOWN && unknown.insert(name.to_owned()) {
                    warnings.push(unknown_column(name));
                }
            };
            match &self.format {
                None if line.trim_start().starts_with('{') => {
                    self.format = Some(Format::Json);
                    return json(line, row, &mut warn_of).map(|()| true).map_err(Trouble::Row);
                }
                None => self.format = Some(Format::Csv(Header::read(line, &mut warn_of).map_err(Trouble::File)?)),
                Some(Format::Json) => return json(line, row, &mut warn_of).map(|()| true).map_err(Trouble::Row),
                Some(Format::Csv(header)) if header.line == line.as_bytes() => {}
                Some(Format::Csv(header)) => return header.row(line, row).map(|()| true).map_err(Trouble::Row),
            }
        }
    }
}

fn unknown_column(name: &str) -> String {
    let known = Column::ALL.iter().map(|column| column.name()).chain(["time", "service", "backend"]);
    let near = known.map(|known| (strsim::osa_distance(name, known), known)).min();
    match near.filter(|(distance, known)| *distance <= (known.len() / 3).max(1)) {
        Some((_, near)) => format!("`{name}` is not known and is passed over: is it meant to be `{near}`?"),
        None => format!("`{name}` is not known and is passed over"),
    }
}

impl Slot {
    fn named(name: &str) -> Self {
        match name {
            "time" | "timestamp" => Self::Time,
            "service" => Self::Service,
            "backend" => Self::Backend,
            name => Column::named(name).map_or(Self::Ignored, Self::Figure),
        }
    }

    fn fill(self, text: &str, row: &mut Row) -> Result<(), String> {
        match self {
            Self::Time => row.time = time::read(text).ok_or_else(|| no_time(text))?,
            Self::Service => text.trim().clone_into(&mut row.service),
            Self::Backend => text.trim().clone_into(&mut row.backend),
            Self::Figure(column) => row.figures.set(column, column.read(text)?),
            Self::Ignored => {}
        }
        Ok(())
    }
}

fn no_time(text: &str) -> String {
    format!("the time is {text:?}, which is neither RFC 3339 nor \"YYYY-MM-DD HH:MM:SS\" nor a number since 1970")
}

/// A name as the columns are called: in lower case, with `_`.
fn folded(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace([' ', '-'], "_")
}

impl Row {
    fn clear(&mut self) {
        self.service.clear();
        self.backend.clear();
        self.figures = Figures::default();
    }
}

impl Header {
    fn read(line: &str, warn_of: &mut dyn FnMut(&str)) -> Result<Self, String> {
        let delimiter = [b',', b';', b'\t'].into_iter().find(|d| line.as_bytes().contains(d)).unwrap_or(b',');
        let mut slots = Vec::new();
        fields(delimiter, line, |_, name| {
            let name = folded(name);
            let slot = Slot::named(&name);
            if slot == Slot::Ignored {
                warn_of(&name);
            } else if slots.contains(&slot) {
                return Err(format!("the first line has the column `{name}` twice"));
            }
            slots.push(slot);
            Ok(())
        })?;
        let has_figures = slots.iter().any(|slot| matches!(slot, Slot::Figure(_)));
        match slots.contains(&Slot::Time) && has_figures {
            true => Ok(Self { delimiter, line: line.as_bytes().to_vec(), slots }),
            false => Err(
                "the first line is neither JSON nor a header with a column `time` and a figure: time,backend,requests,\
                          failures,p50_ms,p95_ms,p99_ms,cpu,memory (or time,value)"
                    .to_owned(),
            ),
        }
    }

    fn row(&self, line: &str, row: &mut Row) -> Result<(), String> {
        row.clear();
        let mut count = 0;
        fields(self.delimiter, line, |at, text| {
            count += 1;
            self.slots.get(at).map_or(Ok(()), |slot| slot.fill(text, row))
        })?;
        if count != self.slots.len() {
            return Err(format!("{count} fields, the header has {}", self.slots.len()));
        }
        Ok(())
    }
}

/// Calls `each` with the place and the text of each field of a line of CSV (RFC 4180).
fn fields(delimiter: u8, line: &str, mut each: impl FnMut(usize, &str) -> Result<(), String>) -> Result<(), String> {
    if !line.contains('"') {
        return line.split(char::from(delimiter)).enumerate().try_for_each(|(at, text)| each(at, text));
    }
    let mut parser = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
    let (mut rest, mut text) = (line.as_bytes(), vec![0; line.len()]);
    for at in 0.. {
        let (result, taken, written) = parser.read_field(rest, &mut text);
        rest = &rest[taken..];
        let last = match result {
            csv_core::ReadFieldResult::Field { record_end } => record_end,
            // the end of the line is the end of its last field
            csv_core::ReadFieldResult::InputEmpty => true,
            csv_core::ReadFieldResult::OutputFull | csv_core::ReadFieldResult::End => break,
        };
        let field = std::str::from_utf8(&text[..written]).map_err(|_| "the line is not UTF-8 text".to_owned())?;
        each(at, field)?;
        if last {
            break;
        }
    }
    Ok(())
}

fn json(line: &str, row: &mut Row, warn_of: &mut dyn FnMut(&str)) -> Result<(), String> {
    row.clear();
    let object: Map<String, Value> =
        serde_json::from_str(line).map_err(|error| format!("this is no JSON object: {error}"))?;
    let mut has_time = false;
    for (name, value) in &object {
        let name = folded(name);
        let slot = Slot::named(&name);
        has_time |= slot == Slot::Time;
        match (slot, value) {
            (Slot::Ignored, _) => warn_of(&name),
            (_, Value::Null) => {}
            (slot, Value::String(text)) => slot.fill(text, row)?,
            (slot, Value::Number(_) | Value::Bool(_)) => slot.fill(&value.to_string(), row)?,
            (_, Value::Array(_) | Value::Object(_)) => return Err(format!("`{name}` is neither a number nor a text")),
        }
    }
    if has_time { Ok(()) } else { Err("there is no `time`".to_owned()) }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::File(why) | Self::Row(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows, or the line and what is wrong with it; and the warnings.
    fn read(text: &str) -> (Vec<Result<Row, String>>, Vec<String>) {
        let mut reader = Reader::new(text.as_bytes());
        let (mut rows, mut row) = (Vec::new(), Row::default());
        loop {
            match reader.next(&mut row) {
                Ok(true) => rows.push(Ok(row.clone())),
                Ok(false) => break,
                Err(trouble) => {
                    rows.push(Err(format!("{}: {trouble}", reader.line())));
                    if !matches!(trouble, Trouble::Row(_)) {
                        break;
                    }
                }
            }
        }
        (rows, reader.warnings())
    }

    fn row(seconds: u64, backend: &str, these: &[(Column, f64)]) -> Result<Row, String> {
        let mut figures = Figures::default();
        these.iter().for_each(|(column, number)| figures.set(*column, Some(*number)));
        Ok(Row { time: Duration::from_secs(seconds), service: String::new(), backend: backend.to_owned(), figures })
    }

    #[test]
    fn columns_come_in_any_order_and_unknown_ones_are_told_of_once() {
        let text = "backend,Time,region,p50-ms,reqests\na,100,eu,5.5,7\nb,100,us,,8\n";
        let (rows, warnings) = read(text);
        assert_eq!(rows, [row(100, "a", &[(Column::P50, 5.5)]), row(100, "b", &[])]);
        assert_eq!(
            warnings,
            [
                "`region` is not known and is passed over",
                "`reqests` is not known and is passed over: is it meant to be `requests`?"
            ]
        );
    }

    #[test]
    fn the_two_formats_say_the_same() {
        let csv = "time,backend,requests,cpu\n\"1970-01-01 00:01:40\",\"a, \"\"b\"\"\",5,0.5\n";
        let json = "{\"time\": 100, \"backend\": \"a, \\\"b\\\"\", \"requests\": 5, \"cpu\": 0.5, \"memory\": null}\n";
        let wanted = [row(100, "a, \"b\"", &[(Column::Requests, 5.0), (Column::Cpu, 0.5)])];
        assert_eq!(read(csv), (wanted.to_vec(), vec![]));
        assert_eq!(read(json), (wanted.to_vec(), vec![]));
        assert_eq!(read(&csv.replace(',', ";").replace("a; ", "a, ")).0, wanted);
        assert_eq!(read("timestamp\tvalue\n100\t7\n").0, [row(100, "", &[(Column::Value, 7.0)])]);
    }

    #[test]
    fn what_is_wrong_with_a_row_is_told_with_its_line_and_the_rest_is_read() {
        let text = "time,backend,requests\n1,a,x\nnoon,a,1\n2,a\n3,a,-1\n4,a,1,1\n5,a,1\n";
        let (rows, _) = read(text);
        let told: Vec<&str> = rows.iter().filter_map(|row| row.as_ref().err()).map(String::as_str).collect();
        assert_eq!(
            told,
            [
                "2: `requests` is \"x\", which is no number",
                "3: the time is \"noon\", which is neither RFC 3339 nor \"YYYY-MM-DD HH:MM:SS\" nor a number since 1970",
                "4: 2 fields, the header has 3",
                "5: `requests` is -1: a count is not below 0",
                "6: 4 fields, the header has 3",
            ]
        );
        assert_eq!(rows.last(), Some(&row(5, "a", &[(Column::Requests, 1.0)])));
        let (rows, _) = read("{\"time\": 1}\n{\"backend\": \"a\"}\n[1]\n{\"time\": 2, \"cpu\": [1]}\n");
        let told: Vec<&str> = rows.iter().filter_map(|row| row.as_ref().err()).map(String::as_str).collect();
        assert!(told[0] == "2: there is no `time`" && told[1].starts_with("3: this is no JSON object"), "{told:?}");
        assert_eq!(told[2], "4: `cpu` is neither a number nor a text");
    }

    #[test]
    fn a_file_without_a_header_is_refused_as_a_whole() {
        for text in ["1,2,3\n4,5,6\n", "hello\n", "time\n1\n", "requests,cpu\n1,1\n"] {
            let (rows, _) = read(text);
            assert!(
                rows.len() == 1 && rows[0].as_ref().is_err_and(|why| why.starts_with("1: the first line is")),
                "{rows:?}"
            );
        }
        assert_eq!(read("time,cpu,cpu\n").0, [Err("1: the first line has the column `cpu` twice".to_owned())]);
        assert_eq!(read("").0, []);
    }

    #[test]
    fn files_that_were_put_together_are_read_as_one() {
        let text = "time,value\n1,1\ntime,value\n2,2\n";
        assert_eq!(read(text).0, [row(1, "", &[(Column::Value, 1.0)]), row(2, "", &[(Column::Value, 2.0)])]);
    }

    #[test]
    fn a_quote_that_is_not_closed_ends_with_its_line() {
        let (rows, _) = read("time,backend,cpu\n1,\"a,1\n2,b,1\n");
        assert_eq!(rows, [Err("2: 2 fields, the header has 3".to_owned()), row(2, "b", &[(Column::Cpu, 1.0)])]);
    }
}
