//! What several questions have in their query.

use std::borrow::Cow;

/// The name and the value of a parameter.
type Parameter<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The parameters of a query, in its order. One that is there twice is a mistake of whoever asks, because only one of them could be meant, unless
/// it is one of `lists`, of which each value counts.
pub(super) fn parameters<'a>(text: &'a str, lists: &[&str]) -> Result<Vec<Parameter<'a>>, String> {
    let mut parameters: Vec<Parameter<'a>> = Vec::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        if !lists.contains(&&*name) && parameters.iter().any(|(known, _)| *known == name) {
            return Err(format!("the parameter {name:?} is there twice"));
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}

/// Of which service something is to be shown; `None` = of all.
pub(super) fn service(text: &str) -> Result<Option<String>, String> {
    let mut service = None;
    for (name, value) in parameters(text, &[])? {
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

    #[test]
    fn a_parameter_is_there_once_unless_it_is_a_list() {
        assert_eq!(service("service=a&service=b"), Err("the parameter \"service\" is there twice".to_owned()));
        assert!(parameters("kind=a&kind=b&service=c", &["kind"]).is_ok_and(|parameters| parameters.len() == 3));
    }
}
