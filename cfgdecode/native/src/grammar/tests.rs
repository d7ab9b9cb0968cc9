use super::*;

fn cfg(terminals: &[&str], nonterminals: &[&str], rules: &[(u32, &[i32])]) -> Cfg {
    let names = |xs: &[&str]| xs.iter().map(|x| x.to_string()).collect::<Vec<_>>();
    let rules: Vec<_> = rules.iter().map(|(h, b)| (*h, b.to_vec())).collect();
    Cfg::new(&names(terminals), &names(nonterminals), &rules, 0).unwrap()
}

#[test]
fn a_rule_that_can_never_finish_is_removed() {
    // s: "a" | "b" dead ; dead: "c" dead
    let g = cfg(&["a", "b", "c"], &["s", "dead"], &[(0, &[-1]), (0, &[-2, 1]), (1, &[-3, 1])]);
    assert!(!g.is_empty);
    assert!(g.rules.iter().all(|&(_, b, c)| b != 1 && c != 1 && b != 2));
}

#[test]
fn a_grammar_without_finite_text_is_empty() {
    assert!(cfg(&["a"], &["s"], &[(0, &[-1, 0])]).is_empty);
}

#[test]
fn rules_that_begin_alike_share_their_prefix() {
    let g = cfg(&["a", "b", "c", "d"], &["s"], &[(0, &[-1, -2, -3]), (0, &[-1, -2, -4])]);
    let prefixes = g.names.iter().filter(|n| *n == "a b").count();
    assert_eq!(prefixes, 1);
}

#[test]
fn unknown_symbols_are_refused() {
    let names = vec!["a".to_string()];
    assert_eq!(Cfg::new(&names, &names, &[(0, vec![5])], 0).unwrap_err(), CfgError::BadSymbol { rule: 0 });
}
