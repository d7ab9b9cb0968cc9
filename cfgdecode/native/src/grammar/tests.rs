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

#[test]
fn symbols_that_are_used_alike_are_one() {
    // s: s "+" t | s "-" t | t ; t: "a" | u | v ; u: "a" "+" ; v: "-" "a"
    let rules: [(u32, &[i32]); 8] = [(0, &[0, -1, 1]), (0, &[0, -2, 1]), (0, &[1]), (1, &[-3]), (1, &[2]), (1, &[3]), (2, &[-3, -1]), (3, &[-2, -3])];
    let g = cfg(&["+", "-", "a"], &["s", "t", "u", "v"], &rules);
    let count = |of: &[&str]| g.names.iter().filter(|n| of.contains(&n.as_str())).count();
    assert_eq!(count(&["s +", "s -"]), 1);
    assert_eq!(count(&["u", "v"]), 1);
    assert_eq!(count(&["+", "-", "a", "s", "t"]), 5);
    assert_eq!(g.names.len(), g.n_symbols as usize);
    let number = |name: &str| g.names.iter().position(|n| n == name).unwrap() as Symbol;
    for operator in [0, 1] {
        assert!(g.rules.contains(&(number("s +"), number("s"), operator)), "both operators lead to the prefix");
    }
}
