//! The text formats of `/metrics`, and which of them a scraper wants.

use super::Registry;
use super::openmetrics::OpenMetrics;
use super::render::Readings;
use super::text::Text;

/// A format that a reading is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The text format of Prometheus, 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0, which has exemplars.
    OpenMetrics,
}

impl Format {
    /// The one that is preferred by whoever sends these `Accept` fields (RFC 9110, section 12.5.1). OpenMetrics has to be asked for by its name, and
    /// is taken where both are as welcome.
    pub fn wanted<'a>(accept: impl Iterator<Item = &'a str>) -> Self {
        let (mut open, mut text) = (0.0_f32, None::<(u8, f32)>);
        for range in accept.flat_map(|field| field.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut version) = (1.0, None);
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim().to_ascii_lowercase().as_str() {
                    "q" => quality = value.trim().parse().unwrap_or(0.0),
                    "version" => version = Some(value.trim().trim_matches('"')),
                    _ => {}
                }
            }
            // the most specific range decides
            let specific = match &*media {
                "text/plain" => 2,
                "text/*" => 1,
                "*/*" => 0,
                "application/openmetrics-text" if version.is_none_or(|version| version == "1.0.0") => {
                    open = open.max(quality);
                    continue;
                }
                _ => continue,
            };
            text = text.filter(|known| *known >= (specific, quality)).or(Some((specific, quality)));
        }
        match open > 0.0 && text.is_none_or(|(_, quality)| open >= quality) {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    /// Its media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Registry {
    /// Writes everything to `out`, in this format.
    pub fn render(&self, readings: &Readings<'_>, format: Format, out: &mut String) {
        match format {
            Format::Prometheus => self.collect(readings, &mut Text::new(out)),
            Format::OpenMetrics => {
                let mut text = OpenMetrics::new(out);
                self.collect(readings, &mut text);
                text.end();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_what_it_prefers() {
        use Format::{OpenMetrics, Prometheus};
        for (accept, format) in [
            ("", Prometheus),
            ("*/*", Prometheus),
            ("text/html, */*;q=0.1", Prometheus),
            ("application/openmetrics-text", OpenMetrics),
            ("application/openmetrics-text; version=\"1.0.0\"; charset=utf-8", OpenMetrics),
            ("Application/OpenMetrics-Text;VERSION=1.0.0;Q=0.5, text/plain;q=0.4", OpenMetrics),
            ("application/openmetrics-text;q=0.3, text/plain;q=0.4", Prometheus),
            ("application/openmetrics-text;q=0", Prometheus),
            ("application/openmetrics-text;version=0.0.1", Prometheus),
            ("application/openmetrics-text;version=2.0.0, */*;q=0.1", Prometheus),
            ("application/openmetrics-text;q=nonsense", Prometheus),
            ("application/openmetrics-text;q=0.4, */*;q=0.9, text/plain;q=0.1", OpenMetrics),
            // Prometheus 2.42 (Debian 12)
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            // Prometheus 3.0
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
        ] {
            assert_eq!(Format::wanted([accept].into_iter()), format, "{accept}");
        }
        assert_eq!(Format::wanted(["text/plain", "application/openmetrics-text"].into_iter()), OpenMetrics);
    }
}
