//! What was imported as sections to paste into `proxy.toml`.

use toml::Value;

use super::{Imported, Remark, Service, duration};
use crate::sla::{Promise, Window};

/// The sections `[service.NAME.sla]`, and the remarks above them as comments.
pub fn sections(imported: &Imported) -> String {
    let comments = imported.remarks.iter().map(|remark: &Remark| format!("# {remark}\n")).collect::<String>();
    let sections = imported.services.iter().map(section).collect::<Vec<_>>().join("\n");
    let gap = if comments.is_empty() || sections.is_empty() { "" } else { "\n" };
    format!("{comments}{gap}{sections}")
}

fn section(service: &Service) -> String {
    let mut text = format!("[service.{}.sla]\n", key(&service.name));
    for (name, value) in entries(&service.promise) {
        text.push_str(&format!("{name} = {value}\n"));
    }
    if !service.maintenance.is_empty() {
        let windows = service.maintenance.iter().map(|text| maintenance(text)).collect::<Vec<_>>();
        text.push_str(&format!("maintenance = [{}]\n", windows.join(", ")));
    }
    text
}

fn entries(promise: &Promise) -> Vec<(&'static str, String)> {
    let time = |time| quoted(&duration::written(time));
    let target = match promise.tier {
        Some(tier) => ("tier", quoted(tier.as_str())),
        None => ("target", format!("{:?}", promise.target)),
    };
    let window = match promise.window {
        Window::Rolling(length) => ("window", time(length)),
        Window::Calendar(unit) => ("calendar", quoted(unit.as_str())),
    };
    let mut all = vec![
        target,
        ("rto", time(promise.rto)),
        ("rpo", time(promise.rpo)),
        ("mttr", time(promise.mttr)),
        ("mtbf", time(promise.mtbf)),
        window,
    ];
    all.extend(promise.latency.map(|latency| ("latency", time(latency))));
    all.push(("floor", format!("{:?}", promise.floor)));
    all.push(("protect", promise.protect.to_string()));
    all
}

/// A maintenance window: an inline table as it is in `proxy.toml`, or the text of one that recurs. The text comes from a file that anybody may have
/// written, so it is read and written anew, and can't bring keys of its own into the section.
fn maintenance(text: &str) -> String {
    let table: Option<toml::Table> = toml::from_str(&format!("window = {text}")).ok();
    match table.as_ref().filter(|table| table.len() == 1).and_then(|table| table.get("window")) {
        Some(Value::Table(window)) if window.values().all(Value::is_str) => {
            let fields = window
                .iter()
                .map(|(name, value)| format!("{} = {}", key(name), quoted(value.as_str().unwrap_or_default())));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        _ => format!("{{ every = {} }}", quoted(text)),
    }
}

fn key(name: &str) -> String {
    let is_bare =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if is_bare { name.to_owned() } else { quoted(name) }
}

/// As a basic string of TOML, which is written like one of JSON but for one character.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
