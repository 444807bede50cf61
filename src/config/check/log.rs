//! `[log]`: where the access log goes, and what its lines say.

use std::sync::Arc;

use super::Checker;
use crate::config::model::{Log, LogFormat};
use crate::config::raw::{self, AccessFormat, Facility};
use crate::config::syntax::access_log::{self, Place};
use crate::config::tree::KeyPath;
use crate::policy::access_log::{AccessDestination, AccessLines, FieldName, Piece, Sampling, SyslogTransport};

impl Checker<'_> {
    pub(super) fn log(&mut self, raw: &raw::Log) -> Log {
        let at = KeyPath::default().key("log");
        self.access_without_effect(&at, raw);
        Log {
            level: raw.level.clone(),
            format: match raw.format {
                raw::LogFormat::Text => LogFormat::Text,
                raw::LogFormat::Json => LogFormat::Json,
            },
            access: self.access_destination(raw),
            access_lines: Arc::new(self.access_lines(&at, raw)),
        }
    }

    fn access_destination(&self, raw: &raw::Log) -> Option<AccessDestination> {
        let syslog = |to| AccessDestination::Syslog { to, facility: facility(raw.access_facility) };
        Some(match access_log::destination(&raw.access).ok()? {
            Place::Off => return None,
            Place::Stdout => AccessDestination::Stdout,
            Place::File(path) => AccessDestination::File(self.file(&path)),
            Place::Unixgram(path) => AccessDestination::Unixgram(self.folder.join(path)),
            Place::Udp(host, port) => syslog(SyslogTransport::Udp(host, port)),
            Place::Tcp(host, port) => syslog(SyslogTransport::Tcp(host, port)),
            Place::Syslog(path) => syslog(SyslogTransport::Unix(self.folder.join(path))),
        })
    }

    fn access_lines(&mut self, at: &KeyPath, raw: &raw::Log) -> AccessLines {
        let sampling = Sampling { share: raw.access_sample, slow: raw.access_slow.0 };
        match raw.access_format {
            AccessFormat::Combined => AccessLines::combined(sampling),
            AccessFormat::Json => {
                let at = at.key("access_fields");
                let chosen = raw.access_fields.iter().map(|name| access_log::field(name).ok()).collect::<Vec<_>>();
                for (index, field) in chosen.iter().enumerate() {
                    self.warn_of_secret(&at.index(index), field.as_ref());
                }
                AccessLines::json(&chosen.into_iter().flatten().collect::<Vec<_>>(), sampling)
            }
            AccessFormat::Template => {
                let path = at.key("access_template");
                let Some(text) = &raw.access_template else {
                    if !self.present(&path) {
                        let mistake = self.mistake(&at.key("access_format"), "there is no template");
                        let help = "set access_template = \"${client} \\\"${method} ${target}\\\" ${status}\"";
                        self.report(mistake.help(help));
                    }
                    return AccessLines::default();
                };
                let pieces = access_log::template(text).unwrap_or_default();
                for piece in &pieces {
                    if let Piece::Field(field) = piece {
                        self.warn_of_secret(&path, Some(field));
                    }
                }
                AccessLines::template(&pieces, sampling)
            }
        }
    }

    /// A log is read by more people than may use what it says.
    fn warn_of_secret(&mut self, at: &KeyPath, field: Option<&FieldName>) {
        if let Some(header) = field.and_then(FieldName::secret) {
            let message =
                format!("each line of the access log will hold what `{header}` carries, which lets somebody in");
            let mistake = self.mistake(at, message).warning();
            self.report(mistake.help("whoever reads the log could use it: leave it out, or guard the log as a secret"));
        }
    }

    /// Reports what has no effect for the format, or the destination, that is chosen.
    fn access_without_effect(&mut self, at: &KeyPath, raw: &raw::Log) {
        let is_syslog = raw.access.starts_with(access_log::SYSLOG);
        for (key, has_effect, needs) in [
            ("access_fields", raw.access_format == AccessFormat::Json, "access_format = \"json\""),
            ("access_template", raw.access_format == AccessFormat::Template, "access_format = \"template\""),
            ("access_facility", is_syslog, "an `access` that begins with \"syslog:\""),
        ] {
            if self.root.has(&at.key(key)) && !has_effect {
                let mistake = self.key_mistake(&at.key(key), format!("`{key}` has no effect: it needs {needs}"));
                self.report(mistake.warning());
            }
        }
    }
}

/// The number of a facility (RFC 5424, section 6.2.1). The numbers from 12 to 15 have no names that everybody agrees on.
fn facility(facility: Facility) -> u8 {
    let number = facility as u8;
    if number < Facility::Local0 as u8 { number } else { number - Facility::Local0 as u8 + 16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facilities_have_the_numbers_of_the_rfc() {
        let numbers =
            [Facility::Kern, Facility::Daemon, Facility::Authpriv, Facility::Ftp, Facility::Local0, Facility::Local7];
        assert_eq!(numbers.map(facility), [0, 3, 10, 11, 16, 23]);
    }
}
