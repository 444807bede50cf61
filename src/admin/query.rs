//! What several questions have in their query.

/// Of which service something is to be shown; `None` = of all.
pub(super) fn service(text: &str) -> Result<Option<String>, String> {
    let mut service = None;
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        match &*name {
            "service" => service = Some(value.into_owned()),
            other => return Err(format!("unknown parameter {other:?}: there is service")),
        }
    }
    Ok(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_can_be_named_and_nothing_else() {
        assert_eq!(service("service=api"), Ok(Some("api".to_owned())));
        assert_eq!((service("").is_ok(), service("fault=unresponsive").is_ok()), (true, false));
    }
}
