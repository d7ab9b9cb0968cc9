use super::*;

fn cfg(terminals: &[&str], nonterminals: &[&str], rules: &[(u32, &[i32])]) -> Cfg {
    let names = |xs: &[&str]| xs.iter().map(|x| x.to_string()).collect::<Vec<_>>();
    let rules: Vec<_> = rules.iter().map(|(h, b)| (*h, b.to_vec())).collect();
    Cfg::new(&names(terminals), &names(nonterminals), &rules, 0).unwrap()
}

fn rules(g: &Cfg, side: Side) -> Vec<(Symbol, Symbol, Symbol)> {
    let continue_ = &g.side(side).joint.continue_;
    (0..g.n_symbols).flat_map(|waiting| continue_[waiting as usize].iter().map(move |&(next, parent)| (parent, waiting, next))).collect()
}

#[test]
fn a_rule_that_can_never_finish_is_removed() {
    // s: "a" | "b" dead ; dead: "c" dead
    let g = cfg(&["a", "b", "c"], &["s", "dead"], &[(0, &[-1]), (0, &[-2, 1]), (1, &[-3, 1])]);
    assert!(!g.is_empty);
    assert!([Side::Left, Side::Right].iter().all(|&side| rules(&g, side).iter().all(|&(_, _, next)| next != 1 && next != 2)));
}

#[test]
fn a_grammar_without_finite_text_is_empty() {
    assert!(cfg(&["a"], &["s"], &[(0, &[-1, 0])]).is_empty);
}

#[test]
fn unknown_symbols_are_refused() {
    let names = vec!["a".to_string()];
    assert_eq!(Cfg::new(&names, &names, &[(0, vec![5])], 0).unwrap_err(), CfgError::BadSymbol { rule: 0 });
}

/// Terminals, three markers, and this many others.
fn n_others(g: &Cfg) -> u32 {
    g.n_symbols - g.n_terminals - 3
}

#[test]
fn a_grammar_without_brackets_is_one_automaton() {
    // s: s "+" t | t ; t: t "*" u | u ; u: "-" u | "x"
    let rules: [(u32, &[i32]); 6] = [(0, &[0, -1, 1]), (0, &[1]), (1, &[1, -2, 2]), (1, &[2]), (2, &[-3, 2]), (2, &[-4])];
    let g = cfg(&["+", "*", "-", "x"], &["s", "t", "u"], &rules);
    // In front of an operand and behind it.
    assert_eq!(n_others(&g), 2, "{:?}", g.names);
}

#[test]
fn in_brackets_one_nonterminal_stays() {
    // s: s "+" t | t ; t: "(" s ")" | "x"
    let g = cfg(&["+", "(", ")", "x"], &["s", "t"], &[(0, &[0, -1, 1]), (0, &[1]), (1, &[-2, 0, -3]), (1, &[-4])]);
    let kept = ["s", "t"].iter().filter(|name| g.names.iter().any(|n| n == *name)).count();
    assert_eq!(kept, 1, "{:?}", g.names);
}

#[test]
fn rules_that_call_one_another_at_their_ends_are_one_automaton() {
    // s: "a" t | "x" ; t: "b" s | "y" — and the same in a mirror.
    for mirrored in [false, true] {
        let turned = |body: &[i32]| if mirrored { body.iter().rev().copied().collect() } else { body.to_vec() };
        let bodies = [turned(&[-1, 1]), vec![-3], turned(&[-2, 0]), vec![-4]];
        let g = cfg(&["a", "b", "x", "y"], &["s", "t"], &[(0, &bodies[0]), (0, &bodies[1]), (1, &bodies[2]), (1, &bodies[3])]);
        assert!(!g.names.iter().any(|n| n == "s" || n == "t"), "{:?}", g.names);
    }
}
