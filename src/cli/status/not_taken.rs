//! What was not taken on, while what was in force before stays so: the last reload, and files of TLS.

use serde_json::Value;

use super::plain;

/// That what runs is not what the file says, because that was refused.
pub(super) fn reload(refused: &Value) -> String {
    let Some(reason) = refused["reason"].as_str() else { return String::new() };
    let first = reason.lines().next().unwrap_or_default();
    format!(
        "not reloaded {} s ago, what ran before runs on: {first} (`evenkeel check` says more)\n\n",
        refused["age_s"]
    )
}

/// The files of TLS that can't be used: a line for each.
pub(super) fn files(files: &Value) -> String {
    let lines: Vec<String> = files.as_array().into_iter().flatten().map(file).collect();
    if lines.is_empty() { String::new() } else { lines.concat() + "\n" }
}

fn file(file: &Value) -> String {
    let whose = match (file["listener"].as_str(), file["service"].as_str()) {
        (Some(name), _) => format!("the listener {name}"),
        (None, Some(name)) => format!("the service {name}"),
        (None, None) => "the admin address".to_owned(),
    };
    let path = file["path"].as_str().filter(|path| !path.is_empty()).unwrap_or("what was read anew");
    let (since, reason) = (plain(&file["since"]), plain(&file["reason"]));
    format!("TLS of {whose}: {path} can't be used since {since}, what was in force before stays: {reason}\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_file_that_can_not_be_used_has_a_line_that_says_whose_it_is_and_why() {
        assert_eq!((files(&json!([])), files(&Value::Null)), (String::new(), String::new()));
        let of = |listener: Value, service: Value, path: &str| json!({ "listener": listener, "service": service, "path": path, "reason": "it expired", "since": "T" });
        let all = json!([
            of("web".into(), Value::Null, "a.pem"),
            of(Value::Null, "api".into(), ""),
            of(Value::Null, Value::Null, "b.pem"),
        ]);
        let stays = "can't be used since T, what was in force before stays: it expired\n";
        assert_eq!(
            files(&all),
            format!(
                "TLS of the listener web: a.pem {stays}TLS of the service api: what was read anew {stays}\
                 TLS of the admin address: b.pem {stays}\n"
            )
        );
    }
}
