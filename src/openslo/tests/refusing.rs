use super::*;
use crate::openslo::MAX_BYTES;

fn refused(text: &str) -> Vec<String> {
    import(text).expect_err(text)
}

#[test]
fn what_is_no_openslo_v1_is_refused_with_its_place() {
    let slo = "apiVersion: openslo/v1\nkind: SLO\nmetadata: { name: s }\n";
    let cases = [
        ("", "a.yaml: there is no document"),
        ("---\n---\n", "a.yaml: there is no document"),
        ("just a text", "a.yaml:1:1: document 1: this is no object"),
        ("a: b\n  c: [", "a.yaml:2:"),
        ("kind: SLO", "document 1: `apiVersion` is missing"),
        (
            "apiVersion: openslo/v1alpha\nkind: SLO",
            "document 1, apiVersion: `openslo/v1alpha` can't be read, only openslo/v1",
        ),
        ("apiVersion: openslo.com/v2alpha\nkind: SLO", "`openslo.com/v2alpha` can't be read"),
        ("apiVersion: 1\nkind: SLO", "apiVersion: has to be a text"),
        ("apiVersion: openslo/v1\nkind: Slo", "document 1, kind: `Slo` is none of SLO, SLI,"),
        ("apiVersion: openslo/v1\nkind: SLO", "`metadata` is missing"),
        ("apiVersion: openslo/v1\nkind: SLO\nmetadata: {}", "metadata: `name` is missing"),
        (slo, "document 1, SLO/s: `spec` is missing"),
        (&format!("\n\n---\na: 1\n---\n{slo}"), "a.yaml:4:1: document 1: `apiVersion` is missing"),
        (&format!("{slo}spec: [1]"), "SLO/s, spec: has to have fields"),
        (
            &format!("{slo}spec: {{ objectives: [{{ target: 1 }}] }}"),
            "spec.objectives[0]: the target has to be at least 0 and below 1",
        ),
        (&format!("{slo}spec: {{ objectives: [{{ targetPercent: 100 }}] }}"), "targetPercent: below 100"),
        (
            &format!("{slo}spec: {{ objectives: [{{ target: high }}] }}"),
            "spec.objectives[0].target: has to be a number",
        ),
        (
            &format!("{slo}spec: {{ objectives: [{{ target: 0.9, targetPercent: 90 }}] }}"),
            "one of target and targetPercent",
        ),
        (&format!("{slo}spec: {{ objectives: [] }}"), "spec.objectives: has to have at least one"),
        (&format!("{slo}spec: {{ objectives: [{{ target: 0.9 }}] }}"), "spec.objectives[0]: has no indicator"),
        (&format!("{slo}spec: {{ budgetingMethod: Sometimes }}"), "spec.budgetingMethod: `Sometimes` is none of"),
        (&format!("{slo}spec: {{ timeWindow: [{{ duration: 30 days }}] }}"), "duration: `30 days` is no duration"),
        (
            &format!("{slo}spec: {{ indicator: {{ spec: {{ ratioMetric: {{ good: {{}} }} }} }} }}"),
            "ratioMetric: has to have total",
        ),
        (&format!("{slo}spec: {{ indicator: {{ spec: {{}} }} }}"), "one of ratioMetric and thresholdMetric"),
        (&format!("{slo}{slo}"), "a.yaml:4:"),
    ];
    for (text, words) in cases {
        let said = refused(text);
        assert!(said.iter().any(|line| line.contains(words)), "{words} is not in {said:#?}");
    }
}

#[test]
fn all_mistakes_are_said_at_once() {
    let text = "a: 1\n---\nb: 2\n---\napiVersion: openslo/v1\nkind: SLO\nmetadata: { name: s }\nspec: {}\n";
    let said = refused(text);
    assert_eq!(said.len(), 4, "two without a version, and two fields missing: {said:#?}");
}

#[test]
fn aliases_depth_and_size_are_bounded() {
    let laughs = (1..10).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", ")));
    let bomb = format!("a0: &a0 [lol, lol]\n{}", laughs.collect::<String>());
    assert!(refused(&bomb)[0].contains("no YAML that can be read"));
    let large = format!("a: &a {}\nb: [{}]\n", "x".repeat(MAX_BYTES / 2), vec!["*a"; 90].join(", "));
    assert!(refused(&large)[0].contains("no YAML that can be read"), "an alias of a large text, ninety times");
    for deep in ["[".repeat(5000), "{a: ".repeat(5000), "- ".repeat(5000), "? ".repeat(5000)] {
        assert!(refused(&deep)[0].contains("no YAML that can be read"), "{}", &deep[..8]);
    }
    let many = "---\na\n".repeat(5_001);
    assert!(refused(&many)[0].contains("no YAML that can be read"));
    let huge = " ".repeat(MAX_BYTES + 1);
    assert_eq!(refused(&huge), [format!("a.yaml: {} bytes of input: at most {MAX_BYTES} are read", MAX_BYTES + 1)]);
    let named = format!("apiVersion: openslo/v1\nkind: SLO\nmetadata: {{ name: {} }}\nspec: {{}}", "x".repeat(300));
    assert!(refused(&named)[0].contains("has more than 255 bytes"));
}
