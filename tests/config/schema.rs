//! The schema knows every key, and says something about each.

use evenkeel::config;
use serde_json::Value;
use toml::de::{DeTable, DeValue};

/// The schema of a table's key, `$ref`s followed.
fn property<'a>(root: &'a Value, table: &'a Value, key: &str) -> Option<&'a Value> {
    let table = target(root, table);
    match table.get("properties") {
        Some(properties) => properties.get(key),
        None => table.get("additionalProperties").filter(|p| p.is_object()),
    }
}

fn target<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

fn every_key_is_known(root: &Value, schema: &Value, table: &DeTable<'_>, path: &str) -> usize {
    let mut count = 0;
    for (key, value) in table {
        let path = format!("{path}.{}", key.get_ref());
        let property = property(root, schema, key.get_ref()).unwrap_or_else(|| panic!("{path} is not in the schema"));
        count += 1;
        match value.get_ref() {
            DeValue::Table(table) => count += every_key_is_known(root, property, table, &path),
            DeValue::Array(items) => {
                let item = target(root, property).get("items").unwrap_or_else(|| panic!("{path} has no items"));
                for table in items.iter().filter_map(|i| i.get_ref().as_table()) {
                    count += every_key_is_known(root, item, table, &path);
                }
            }
            _ => {}
        }
    }
    count
}

/// The contract with every comment that is a key made one. Alternatives in one table would be keys twice, so each comment is
/// tried on its own.
#[test]
fn every_key_of_the_contract_is_in_the_schema() {
    let schema = config::schema();
    let contract = include_str!("contract.toml");
    let table = DeTable::parse(contract).unwrap();
    let keys = every_key_is_known(&schema, &schema, table.get_ref(), "");
    assert!(keys > 130, "{keys}");
    let mut tried = 0;
    for (number, line) in contract.lines().enumerate() {
        let Some((key, _)) = line.strip_prefix("# ").and_then(|l| l.split_once(" = ")) else { continue };
        if key.contains(' ') {
            continue;
        }
        let replaced: Vec<&str> = contract
            .lines()
            .enumerate()
            .filter(|(n, l)| *n == number || !l.starts_with(&format!("{key} =")))
            .map(|(n, l)| if n == number { l.trim_start_matches("# ") } else { l })
            .collect();
        let text = replaced.join("\n");
        let table = DeTable::parse(&text).unwrap_or_else(|e| panic!("line {}: {e}", number + 1));
        every_key_is_known(&schema, &schema, table.get_ref(), "");
        tried += 1;
    }
    assert!(tried >= 20, "{tried}");
}

#[test]
fn every_table_is_closed_and_every_key_is_described() {
    let schema = config::schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let tables = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let mut keys = 0;
    for table in tables.filter(|t| t.get("properties").is_some()) {
        assert_eq!(table["additionalProperties"], false, "{table}");
        for (name, property) in table["properties"].as_object().unwrap() {
            assert!(property["description"].as_str().is_some_and(|d| d.len() > 5), "{name}: {property}");
            keys += 1;
        }
    }
    assert!(keys > 150, "{keys}");
}

#[test]
fn it_has_defaults_words_and_ranges() {
    let schema = config::schema();
    assert_eq!(schema.pointer("/$defs/Limits/properties/max_header_bytes/default"), Some(&Value::from("64KiB")));
    assert_eq!(schema.pointer("/$defs/Listener/required"), Some(&serde_json::json!(["name", "bind"])));
    assert_eq!(schema.pointer("/$defs/Balance/enum").and_then(Value::as_array).map(Vec::len), Some(8));
    assert_eq!(schema.pointer("/$defs/Backend/properties/weight/maximum"), Some(&Value::from(65535)));
    assert!(!schema.to_string().contains("null"), "TOML has no null");
}
