//! What an included file has, put to what the files before it have: tables are merged key by key, arrays of tables are appended to one another, and any other
//! key may stand in one file only.

use super::diagnostics::Sources;
use super::mistake::{Findings, Mistake};
use super::path::Trail;
use super::tree::{KeyValue, Node, Value};

/// Puts the tree of a file to what was read before.
pub(super) fn merge<'t>(into: &mut Node<'t>, from: Node<'t>, sources: &Sources, findings: &mut Findings) {
    Merge { sources, findings }.tables(&Trail::Root, into, from);
}

struct Merge<'a> {
    sources: &'a Sources,
    findings: &'a mut Findings,
}

impl Merge<'_> {
    fn tables<'t>(&mut self, path: &Trail<'_>, into: &mut Node<'t>, from: Node<'t>) {
        let (Value::Table(into), Value::Table(from)) = (&mut into.value, from.value) else { return };
        for entry in from.into_entries() {
            match into.get_mut(&entry.name) {
                Some(first) => self.key(path, first, entry),
                None => into.insert(entry),
            }
        }
    }

    /// A key that both have.
    fn key<'t>(&mut self, table: &Trail<'_>, first: &mut KeyValue<'t>, mut second: KeyValue<'t>) {
        match (&mut first.node.value, &mut second.node.value) {
            (Value::Table(_), Value::Table(_)) => self.tables(&table.key(&second.name), &mut first.node, second.node),
            (Value::Array(all), Value::Array(more)) if all.iter().chain(&*more).all(is_table) => all.append(more),
            _ => {
                let message = format!("`{}` stands in another file already", second.name);
                let place = self.sources.place(first.key.start);
                let mistake = Mistake::new(second.key, &table.key(&second.name).path(), message);
                self.findings.add(mistake.help(format!("the first one is in {place}")));
            }
        }
    }
}

fn is_table(node: &Node<'_>) -> bool {
    matches!(node.value, Value::Table(_))
}
