//! What is converted: a text, its name, and the files that it names.

use std::rc::Rc;

use super::output::Place;

/// Reads the files that a configuration names: a path or a pattern with `*`, as it is written, gives each file's name with its text, sorted by name.
/// Errors are for people.
pub type Files<'a> = dyn Fn(&str) -> Result<Vec<(String, String)>, String> + 'a;

/// A configuration that is converted.
pub struct Original<'a> {
    /// Its name, as findings say it.
    pub file: &'a str,
    /// What is in it.
    pub text: &'a str,
    /// The other files that it names.
    pub files: &'a Files<'a>,
}

impl Original<'_> {
    /// The one file of that name.
    pub fn read(&self, name: &str) -> Result<(Rc<str>, String), String> {
        let (name, text) = (self.files)(name)?.into_iter().next().ok_or("there is no such file")?;
        Ok((Rc::from(name), text))
    }

    /// Where it begins, for findings about the whole.
    pub fn whole(&self) -> Place {
        Place { file: Rc::from(self.file), line: 1 }
    }
}
