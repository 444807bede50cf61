//! Which form of an answer a client wants, by its `Accept` (RFC 9110, section 12.5.1).

use std::cmp::Reverse;
use std::sync::Arc;

use super::PageFile;

/// Ranges of media types that are looked at in one request. Browsers send less than ten.
const MOST_RANGES: usize = 64;

/// What is no page of the configuration is text, or problem details (RFC 9457) for those who prefer JSON.
const TEXT: &[&str] = &["text/plain"];
/// A client that asks for JSON of any kind can read problem details: they are a JSON object.
const PROBLEM: &[&str] = &["application/problem+json", "application/json"];

/// A form of an answer.
#[derive(Debug, Clone, Copy)]
pub enum Form<'p> {
    /// A page of the configuration.
    Page(&'p PageFile),
    /// A line of text.
    Text,
    /// Problem details in JSON.
    Problem,
}

/// How much a client likes a form: the quality first, in thousandths; then whether it names the form itself; then how early it does.
type Liking = (u16, u8, Reverse<usize>);

/// The form that a client likes best of these pages, which are in the order of the configuration, text and problem details. What it says of none,
/// as `curl` does, gets the first page, or text where there is none.
pub fn choose<'p, 'a>(pages: &'p [Arc<PageFile>], accept: impl IntoIterator<Item = &'a [u8]>) -> Form<'p> {
    let ranges = Range::all(accept);
    let forms = pages.iter().map(|page| (Form::Page(page), liking_of_page(&ranges, page)));
    let built_in = [(Form::Text, liking(&ranges, TEXT)), (Form::Problem, liking(&ranges, PROBLEM))];
    let first = pages.first().map_or(Form::Text, |page| Form::Page(page));
    let mut best = (first, None);
    for (form, liking) in forms.chain(built_in) {
        // of two that are liked as much, the first one
        if liking > best.1 {
            best = (form, liking);
        }
    }
    best.0
}

fn liking_of_page(ranges: &[Range<'_>], page: &PageFile) -> Option<Liking> {
    liking(ranges, &[page.media_type()])
}

/// How much the best liked of these types is liked; `None` = not at all.
fn liking(ranges: &[Range<'_>], types: &[&str]) -> Option<Liking> {
    types.iter().filter_map(|of| liking_of(ranges, of)).max()
}

fn liking_of(ranges: &[Range<'_>], of: &str) -> Option<Liking> {
    let fitting = ranges.iter().enumerate().filter_map(|(place, range)| Some((range.fits(of)?, Reverse(place), range)));
    // the range that is most specific says what holds, whatever a wider one says
    let (specific, place, range) = fitting.max_by_key(|(specific, place, _)| (*specific, *place))?;
    (range.quality > 0).then_some((range.quality, specific, place))
}

/// Media types, such as `text/*;q=0.5`.
#[derive(Debug, Clone, Copy)]
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths; 0 = unwanted.
    quality: u16,
}

impl<'a> Range<'a> {
    /// All that can be read in these lines. What can't says nothing.
    fn all(lines: impl IntoIterator<Item = &'a [u8]>) -> Vec<Self> {
        let lines = lines.into_iter().filter_map(|line| std::str::from_utf8(line).ok());
        lines.flat_map(|line| line.split(',')).take(MOST_RANGES).filter_map(Self::read).collect()
    }

    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let mut quality = 1000;
        for parameter in parts {
            if let Some((name, value)) = parameter.split_once('=')
                && name.trim().eq_ignore_ascii_case("q")
            {
                quality = thousandths(value.trim())?;
            }
        }
        Some(Self { kind, subtype, quality })
    }

    /// Whether it is one of these types: 2 where it is named, 1 where its kind is, 0 where all are.
    fn fits(&self, of: &str) -> Option<u8> {
        let (kind, subtype) = of.split_once('/')?;
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (own, "*") if own.eq_ignore_ascii_case(kind) => Some(1),
            (own, sub) if own.eq_ignore_ascii_case(kind) && sub.eq_ignore_ascii_case(subtype) => Some(2),
            _ => None,
        }
    }
}

/// A weight (RFC 9110, section 12.4.2): 0 to 1 with three digits at most.
fn thousandths(text: &str) -> Option<u16> {
    let value: f32 = text.parse().ok()?;
    (0.0..=1.0).contains(&value).then(|| (value * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client with this `Accept` gets of pages of these types.
    fn chosen(pages: &[&'static str], accept: &str) -> String {
        let pages: Vec<Arc<PageFile>> = pages.iter().map(|of| Arc::new(PageFile::of_text("", of))).collect();
        let lines = Some(accept.as_bytes()).filter(|line| !line.is_empty());
        match choose(&pages, lines) {
            Form::Page(page) => page.media_type().to_owned(),
            Form::Text => "text".to_owned(),
            Form::Problem => "problem".to_owned(),
        }
    }

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
    const AXIOS: &str = "application/json, text/plain, */*";
    const JQUERY: &str = "application/json, text/javascript, */*; q=0.01";

    #[test]
    fn without_pages_it_is_text_but_for_those_who_prefer_json() {
        for accept in ["", "*/*", BROWSER, "text/plain", "image/png", "text/*", "nonsense", "*/*;q=x", "a/b;q=2"] {
            assert_eq!(chosen(&[], accept), "text", "{accept}");
        }
        let json = ["application/json", "application/problem+json", AXIOS, JQUERY, "APPLICATION/JSON", "application/*"];
        for accept in
            json.into_iter().chain(["text/plain;q=0.5, application/json", "*/*;q=0.1, application/json;q=0.2"])
        {
            assert_eq!(chosen(&[], accept), "problem", "{accept}");
        }
        assert_eq!(chosen(&[], "application/json;q=0.2, text/plain"), "text");
        assert_eq!(chosen(&[], "application/json;q=0"), "text");
    }

    #[test]
    fn a_page_is_for_all_who_want_nothing_else() {
        for accept in ["", "*/*", BROWSER, "text/html", "image/png", "text/html, application/json"] {
            assert_eq!(chosen(&["text/html"], accept), "text/html", "{accept}");
        }
        for accept in ["application/json", AXIOS, JQUERY, "application/json, text/html"] {
            assert_eq!(chosen(&["text/html"], accept), "problem", "{accept}");
        }
        assert_eq!(chosen(&["text/html"], "text/html;q=0.9, application/json;q=0.8"), "text/html");
        assert_eq!(chosen(&["text/html"], "application/json;q=0.8, text/html;q=0.9"), "text/html", "in any order");
        assert_eq!(chosen(&["text/html"], "text/html;q=0.8, application/json;q=0.9"), "problem");
        assert_eq!(chosen(&[], "text/html;q=0.9, application/json;q=0.8"), "problem", "there is no HTML");
        assert_eq!(chosen(&["text/html"], "text/plain"), "text");
        assert_eq!(chosen(&["application/json"], BROWSER), "application/json");
        assert_eq!(chosen(&["application/json"], "application/json"), "application/json", "and not our own");
    }

    #[test]
    fn of_several_pages_a_client_gets_the_one_that_it_prefers() {
        let both = ["text/html", "application/json"];
        for (accept, of) in
            [("", both[0]), ("*/*", both[0]), (BROWSER, both[0]), (AXIOS, both[1]), ("application/json", both[1])]
        {
            assert_eq!(chosen(&both, accept), of, "{accept}");
        }
        assert_eq!(chosen(&["application/problem+json", "text/html"], "application/json"), "problem");
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_client_says_it_gets_something(accept in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            let pages = [Arc::new(PageFile::of_text("", "text/html"))];
            let _ = choose(&pages, [&accept[..]]);
            let _ = choose(&[], [&accept[..]]);
        }
    }
}
