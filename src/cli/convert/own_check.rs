//! What `evenkeel check` would say of a result.

use std::path::Path;

use crate::config::{self, Code, Severity};

/// What the check of the result comes to.
pub(super) struct Checked {
    /// Mistakes that no machine is to blame for: they are defects of the converter.
    pub(super) defects: Vec<String>,
    /// What the result names and is not on this machine: files, and variables of the environment. They may well be where it is going to run.
    pub(super) missing: Vec<String>,
}

impl Checked {
    /// Checks a result that stands, or would stand, in that file, and is called so.
    pub(super) fn of(text: &str, file: &Path, called: &str) -> Self {
        let mut checked = Self { defects: Vec::new(), missing: Vec::new() };
        let Err(mistakes) = config::parse(text, file) else { return checked };
        for mistake in mistakes.iter().filter(|mistake| mistake.severity == Severity::Error) {
            let line = format!("{called}:{}: {}", mistake.line, mistake.message);
            match mistake.code {
                Code::UnreadableFile | Code::UnsetVariable => checked.missing.push(line),
                _ => checked.defects.push(line),
            }
        }
        checked
    }

    /// As lines for standard error; empty where there is nothing to tell.
    pub(super) fn told(&self) -> String {
        let mut text = String::new();
        if !self.missing.is_empty() {
            text.push_str("not on this machine, and so not looked at; `evenkeel check` where it is going to run tells whether it is there:\n");
            self.missing.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        }
        if !self.defects.is_empty() {
            text.push_str("a defect of the converter: the result has mistakes that have to be put right by hand (please report them):\n");
            self.defects.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_a_defect_and_a_file_that_is_not_there_is_none() {
        let listener = "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\nservice = \"b\"\n";
        let service = "[service.b]\n[[service.b.backend]]\naddress = \"127.0.0.1:1\"\n";
        let of = |text: &str| Checked::of(text, Path::new("/nowhere/proxy.toml"), "proxy.toml");
        assert_eq!(of(&format!("{listener}{service}")).told(), "");
        let misspelled = of(&format!("{listener}bnid = 1\n{service}"));
        assert_eq!((misspelled.defects.len(), misspelled.missing.len()), (1, 0));
        assert!(misspelled.told().contains("proxy.toml:5: "), "{}", misspelled.told());
        let without_file = of(&format!("{listener}error_pages = {{ 404 = \"no.html\" }}\n{service}"));
        assert_eq!((without_file.defects.len(), without_file.missing.len()), (0, 1));
        assert!(without_file.told().contains("no.html"), "{}", without_file.told());
    }
}
