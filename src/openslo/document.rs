//! YAML to objects of OpenSLO v1: within bounds, and with kind and name.

use std::collections::BTreeMap;

use serde_saphyr::{Options, UserMessageFormatter};

use super::node::{Node, Remarks};
use super::tree::{Tree, Value};
use super::{API_VERSION, File, MAX_BYTES, Place, Remark};

/// The kinds of objects.
pub const KINDS: [&str; 7] =
    ["SLO", "SLI", "Service", "DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget"];

/// How long a name may be, which is what the project's JSON schema says. Each remark repeats the name.
const LONGEST_NAME: usize = 255;

/// A document, not yet looked at.
#[derive(Debug)]
pub struct Document {
    value: Value,
    place: Place,
}

/// An object of OpenSLO.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    /// Its kind, one of [`KINDS`].
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The whole of it.
    pub node: Node<'a>,
    /// Its `spec`.
    pub spec: Node<'a>,
}

/// The documents of all files, and a refusal for each file that is no YAML or too much of it.
pub fn documents(files: &[File<'_>], remarks: &mut Remarks) -> Vec<Document> {
    let bytes: usize = files.iter().map(|file| file.text.len()).sum();
    if bytes > MAX_BYTES {
        let place =
            Place { file: files.first().map(|file| file.name.to_owned()).unwrap_or_default(), ..Place::default() };
        remarks.refused.push(Remark { place, text: format!("{bytes} bytes of input: at most {MAX_BYTES} are read") });
        return Vec::new();
    }
    let mut all = Vec::new();
    for file in files {
        let place = Place { file: file.name.to_owned(), ..Place::default() };
        match serde_saphyr::from_multiple_with_options::<Tree>(file.text, options()) {
            Ok(found) if found.is_empty() => {
                remarks.refused.push(Remark { place, text: String::from("there is no document in this file") });
            }
            Ok(found) => all.extend(found.into_iter().enumerate().map(|(index, tree)| Document {
                place: Place { document: index + 1, ..place.clone() }.at(&tree),
                value: tree.value,
            })),
            Err(error) => {
                let position = error.location().map(|location| (location.line(), location.column()));
                let reason = error.render_with_formatter(&UserMessageFormatter);
                // the place says already where
                let reason = reason.split(" at line ").next().unwrap_or_default();
                let text = format!("this is no YAML that can be read: {reason}");
                remarks.refused.push(Remark { place: Place { position, ..place }, text });
            }
        }
    }
    all
}

/// Bounds that no file which somebody means to be read comes near, a thousand services of our own export included: an alias that stands for a
/// large part again and again, or nesting without end, is refused before memory is taken for it.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(MAX_BYTES),
            max_events: 800_000,
            max_nodes: 300_000,
            max_depth: 32,
            flow_nesting_limit: 32,
            max_documents: 5_000,
            max_anchors: 100,
            max_aliases: 100,
            max_merge_keys: 100,
            max_total_scalar_bytes: MAX_BYTES,
            max_recorded_anchor_events: 10_000,
            max_recorded_anchor_bytes: MAX_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 1_000, max_replay_stack_depth: 4 },
        with_snippet: false,
        // `n`, `yes` and `off` are texts in YAML 1.2, and names of some services
        strict_booleans: true,
    }
}

/// The objects in the documents, and a refusal for each document that is none of OpenSLO v1.
pub fn objects<'a>(documents: &'a [Document], remarks: &mut Remarks) -> Vec<Object<'a>> {
    documents.iter().filter_map(|document| object(document, remarks)).collect()
}

fn object<'a>(document: &'a Document, remarks: &mut Remarks) -> Option<Object<'a>> {
    let node = Node { value: &document.value, place: document.place.clone() };
    if node.value.fields().is_none() {
        remarks.refuse(&node, "this is no object of OpenSLO: it has no fields");
        return None;
    }
    let version = node.required_text("apiVersion", remarks)?;
    if version != API_VERSION {
        remarks.refuse(&node.field("apiVersion"), format!("`{version}` can't be read, only {API_VERSION}"));
        return None;
    }
    let kind = node.required_text("kind", remarks)?;
    let Some(kind) = KINDS.into_iter().find(|known| *known == kind) else {
        remarks.refuse(&node.field("kind"), format!("`{kind}` is none of {}", KINDS.join(", ")));
        return None;
    };
    let name = node.required("metadata", remarks)?.required_text("name", remarks)?;
    if name.len() > LONGEST_NAME {
        remarks.refuse(&node.field("metadata").field("name"), format!("has more than {LONGEST_NAME} bytes"));
        return None;
    }
    let place = Place { object: format!("{kind}/{name}"), ..document.place.clone() };
    let node = Node { value: &document.value, place };
    node.known(&["apiVersion", "kind", "metadata", "spec"], remarks);
    node.field("metadata").known(&["name", "displayName", "labels", "annotations"], remarks);
    // a service has nothing to say but its name, and is often written without a value behind `spec:`
    let spec = if kind == "Service" { node.field("spec") } else { node.required("spec", remarks)? };
    Some(Object { kind, name, node, spec })
}

/// The objects of one kind by their names. Of two that have one name, the first is taken.
pub fn by_name<'a>(objects: &[Object<'a>], kind: &str, remarks: &mut Remarks) -> BTreeMap<&'a str, Object<'a>> {
    let mut named = BTreeMap::new();
    for object in objects.iter().filter(|object| object.kind == kind) {
        if named.contains_key(object.name) {
            remarks.say(&object.node, "another object before this one has the same kind and name: that one is taken");
        } else {
            named.insert(object.name, object.clone());
        }
    }
    named
}
