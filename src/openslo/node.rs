//! Values of a document that know where they stand, so that whatever is said of them says where.

use super::tree::{Tree, Value};
use super::{Place, Remark};

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    /// The value.
    pub value: &'a Value,
    /// Where it stands.
    pub place: Place,
}

/// What an import has to say so far.
#[derive(Debug, Default)]
pub struct Remarks {
    /// What is not taken over, or not exactly.
    pub said: Vec<Remark>,
    /// Why this is no OpenSLO v1.
    pub refused: Vec<Remark>,
}

impl Remarks {
    /// Something was not taken over, or not exactly.
    pub fn say(&mut self, node: &Node<'_>, text: impl Into<String>) {
        self.said.push(Remark { place: node.place.clone(), text: text.into() });
    }

    /// This is no OpenSLO v1.
    pub fn refuse(&mut self, node: &Node<'_>, text: impl Into<String>) {
        self.refused.push(Remark { place: node.place.clone(), text: text.into() });
    }
}

impl Place {
    /// The same, at the line and column of this value.
    pub(super) fn at(self, tree: &Tree) -> Self {
        Self { position: Some(tree.position), ..self }
    }
}

/// Stands for what is missing.
const NULL: &Value = &Value::Null;

impl<'a> Node<'a> {
    /// The field of this name, which may be missing (null then).
    pub fn field(&self, key: &str) -> Self {
        let dot = if self.place.path.is_empty() { "" } else { "." };
        let path = format!("{}{dot}{key}", self.place.path);
        let place = Place { path, ..self.place.clone() };
        match self.value.fields().and_then(|fields| fields.get(key)) {
            Some(tree) => Self { value: &tree.value, place: place.at(tree) },
            None => Self { value: NULL, place },
        }
    }

    /// The field of this name; `None` = it is missing, or null, which YAML has for a key without a value.
    pub fn get(&self, key: &str) -> Option<Self> {
        Some(self.field(key)).filter(|node| *node.value != Value::Null)
    }

    /// The field of this name, and a refusal where it is missing.
    pub fn required(&self, key: &str, remarks: &mut Remarks) -> Option<Self> {
        let field = self.get(key);
        if field.is_none() {
            remarks.refuse(self, format!("`{key}` is missing"));
        }
        field
    }

    /// The text in the field of this name; `None` = it is missing, or (with a refusal) something else.
    pub fn text(&self, key: &str, remarks: &mut Remarks) -> Option<&'a str> {
        let field = self.get(key)?;
        let text = field.value.as_text();
        if text.is_none() {
            remarks.refuse(&field, "has to be a text");
        }
        text
    }

    /// The text in the field of this name, and a refusal where there is none.
    pub fn required_text(&self, key: &str, remarks: &mut Remarks) -> Option<&'a str> {
        self.required(key, remarks)?;
        self.text(key, remarks)
    }

    /// The number in the field of this name; `None` = it is missing, or (with a refusal) something else.
    pub fn number(&self, key: &str, remarks: &mut Remarks) -> Option<f64> {
        let field = self.get(key)?;
        let number = field.value.as_number();
        if number.is_none() {
            remarks.refuse(&field, "has to be a number");
        }
        number
    }

    /// The boolean in the field of this name; `None` = it is missing, or (with a refusal) something else.
    pub fn flag(&self, key: &str, remarks: &mut Remarks) -> Option<bool> {
        let field = self.get(key)?;
        match field.value {
            Value::Flag(flag) => return Some(*flag),
            // as YAML 1.1 has it, which some tools still write
            Value::Text(text) if ["yes", "on"].contains(&text.as_str()) => return Some(true),
            Value::Text(text) if ["no", "off"].contains(&text.as_str()) => return Some(false),
            _ => {}
        }
        remarks.refuse(&field, "has to be true or false");
        None
    }

    /// The items of this list, and a refusal where it is none.
    pub fn items(&self, remarks: &mut Remarks) -> Vec<Self> {
        let Value::List(items) = self.value else {
            remarks.refuse(self, "has to be a list");
            return Vec::new();
        };
        let item = |(index, tree): (usize, &'a Tree)| {
            let place = Place { path: format!("{}[{index}]", self.place.path), ..self.place.clone() };
            Self { value: &tree.value, place: place.at(tree) }
        };
        items.iter().enumerate().map(item).collect()
    }

    /// Says which fields are not of these names: they are not OpenSLO's. A refusal where this has no fields at all.
    pub fn known(&self, names: &[&str], remarks: &mut Remarks) {
        let Some(fields) = self.value.fields() else {
            remarks.refuse(self, "has to have fields");
            return;
        };
        for key in fields.keys().filter(|key| !names.contains(&key.as_str())) {
            remarks.say(&self.field(key), "OpenSLO v1 has no such field: it is not used");
        }
    }
}
