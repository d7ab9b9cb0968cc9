use super::*;
use crate::grammar::{Bits, Cfg, Joint, Side};
use std::sync::Arc;

fn balanced() -> Arc<Cfg> {
    // s: | "(" s ")" s
    let t = vec!["(".to_string(), ")".to_string()];
    Arc::new(Cfg::new(&t, &["s".to_string()], &[(0, vec![]), (0, vec![-1, 0, -2, 0])], 0).unwrap())
}

fn chain(symbols: &mut SymbolSets, side: Side, terminals: &[u32]) -> (Chart, Vec<SetId>) {
    let mut chart = Chart::new(side, Origins::All);
    let mut at = vec![Chart::ROOT];
    for &t in terminals {
        let mut sources = Sources::default();
        sources.arcs.push((t, *at.last().unwrap()));
        at.push(chart.build(symbols, &mut sources));
    }
    (chart, at)
}

#[test]
fn both_sides_agree_at_every_point() {
    let symbols = &mut SymbolSets::new(balanced(), 0);
    for (text, want) in [(vec![], true), (vec![0, 1], true), (vec![0, 0, 1, 1, 0, 1], true), (vec![0, 1, 1], false), (vec![0], false)] {
        let (left, l) = chain(symbols, Side::Left, &text);
        let reversed: Vec<u32> = text.iter().rev().copied().collect();
        let (right, r) = chain(symbols, Side::Right, &reversed);
        for i in 0..=text.len() {
            let mut meeting = Meeting::default();
            assert_eq!(meeting.fits(symbols, &left, &right, l[i], r[text.len() - i]), want, "{text:?} at {i}");
        }
    }
}

#[test]
fn a_group_that_loops_on_every_terminal_is_any_text() {
    let symbols = &mut SymbolSets::new(balanced(), 0);
    let (mut left, l) = chain(symbols, Side::Left, &[0, 0]);
    let mut outer = Sources::default();
    outer.eps.push(l[2]);
    let inner = GroupArcs { eps: vec![], arcs: vec![(0, 0, 0), (0, 1, 0)] };
    let gap = left.build_group(symbols, &[outer], &inner)[0];
    let (right, r) = chain(symbols, Side::Right, &[1, 1, 1]);
    assert!(Meeting::default().fits(symbols, &left, &right, gap, r[3]));
    let (right, r) = chain(symbols, Side::Right, &[0]);
    assert!(!Meeting::default().fits(symbols, &left, &right, gap, r[1]));
}

/// Costs of a gap in which every terminal takes one token, by plain iteration.
fn unit_costs(cfg: &Cfg, elastic: bool) -> Arc<Costs> {
    let n = cfg.n_symbols as usize;
    let of_side = |side: Side| {
        let tables = cfg.side(side);
        let mut least = vec![u32::MAX; n];
        (0..cfg.n_terminals as usize).for_each(|t| least[t] = 1);
        loop {
            let before = least.clone();
            for s in 0..n {
                for &y in &tables.up[s] {
                    least[y as usize] = least[y as usize].min(least[s]);
                }
                for &(next, parent) in &tables.joint.continue_[s] {
                    least[parent as usize] = least[parent as usize].min(least[s].saturating_add(least[next as usize]));
                }
            }
            if least == before {
                break;
            }
        }
        let inner = tables.waits.iter().filter(|&w| least[w as usize] != u32::MAX).collect();
        let elastic = if elastic { least.clone() } else { vec![u32::MAX; n] };
        SideCosts { elastic: elastic.into(), least: least.into(), inner, pumps: Bits::new(n) }
    };
    Arc::new(Costs::new([Side::Left, Side::Right].map(of_side)))
}

/// For gaps of 0 to 7 tokens between "((" and `behind` closing brackets: whether the family says that they fit.
fn fits_by_length(elastic: bool, behind: usize) -> Vec<bool> {
    let cfg = balanced();
    let costs = unit_costs(&cfg, elastic);
    let symbols = &mut SymbolSets::new(cfg, 0);
    let (mut left, l) = chain(symbols, Side::Left, &[0, 0]);
    let (right, r) = chain(symbols, Side::Right, &vec![1; behind]);
    let gap = left.family(symbols, vec![(Entry::Set(l[2]), 0, elastic)], &costs, 7);
    (0..8).map(|k| Meeting::default().fits(symbols, &left, &right, gap.member(k), r[behind])).collect()
}

#[test]
fn an_elastic_gap_fits_from_the_fewest_tokens_on() {
    // "((" needs two closing brackets: with one behind the gap, one token must close the other.
    assert_eq!(fits_by_length(true, 2), [true; 8]);
    assert_eq!(fits_by_length(true, 1), [false, true, true, true, true, true, true, true]);
    assert_eq!(fits_by_length(true, 0), [false, false, true, true, true, true, true, true]);
}

#[test]
fn a_rigid_gap_never_fits_for_a_number_of_tokens_that_no_text_has() {
    // Brackets come in pairs, so every other length is impossible; of the others the fewest are found.
    for behind in 0..3 {
        let fits = fits_by_length(false, behind);
        assert!(fits[2 - behind], "{behind} {fits:?}");
        assert!((0..8).all(|k| !fits[k] || k % 2 == behind % 2), "{behind} {fits:?}");
    }
}

#[test]
fn a_longer_gap_extends_the_family_of_a_shorter_one() {
    let cfg = balanced();
    let costs = unit_costs(&cfg, true);
    let symbols = &mut SymbolSets::new(cfg, 0);
    let (mut left, l) = chain(symbols, Side::Left, &[0, 0]);
    let entries = vec![(Entry::Set(l[2]), 0, true)];
    let short = left.family(symbols, entries.clone(), &costs, 3);
    assert_eq!(left.family(symbols, entries.clone(), &costs, 2), short);
    let long = left.family(symbols, entries, &costs, 9);
    assert_ne!(long, short);
    assert!(left.items(symbols, long.member(9)).len() >= left.items(symbols, short.member(3)).len());
}

#[test]
fn what_is_elastic_may_begin_behind_what_is_rigid_and_end_in_any_later_layer() {
    // s: "k" v; v: "[" "x". The gap begins inside "k", which takes two tokens more; behind it "[" may take any number from one on.
    let terminals: Vec<String> = ["k", "[", "x"].map(String::from).to_vec();
    let cfg = Cfg::new(&terminals, &["s".to_string(), "v".to_string()], &[(0, vec![-1, 1]), (1, vec![-2, -3])], 0).unwrap();
    let costs = unit_costs(&cfg, true);
    let symbols = &mut SymbolSets::new(Arc::new(cfg), 0);
    let mut left = Chart::new(Side::Left, Origins::All);
    let gap = left.family(symbols, vec![(Entry::Arc(0, Chart::ROOT), 2, false)], &costs, 7);
    let (right, r) = chain(symbols, Side::Right, &[2]);
    let fits: Vec<bool> = (0..8).map(|k| Meeting::default().fits(symbols, &left, &right, gap.member(k), r[1])).collect();
    assert_eq!(fits, [false, false, false, true, true, true, true, true]);
}

#[test]
fn of_a_symbol_in_many_sets_the_first_and_the_last_are_kept() {
    let symbols = &mut SymbolSets::new(balanced(), 0);
    let [one, two, both] = [[0, 0], [1, 1], [0, 1]].map(|pair| symbols.filtered(SymbolSets::ALL, |s| pair.contains(&s)));
    let sets = [both, one, two, one, one, both, one];
    // 0 is in six of them, 1 in three.
    assert_eq!(symbols.without_between(&sets, 1, 2), [both, SymbolSets::EMPTY, two, SymbolSets::EMPTY, SymbolSets::EMPTY, both, one]);
    assert_eq!(symbols.in_more_than(&sets, 3), one);
    assert_eq!(symbols.in_more_than(&sets, 2), both);
}

#[test]
fn what_two_sets_of_symbols_make_together_is_what_their_symbols_make() {
    let cfg = balanced();
    let symbols = &mut SymbolSets::new(cfg.clone(), 0);
    let n = cfg.n_symbols;
    let single: Vec<_> = (0..n).map(|s| symbols.filtered(SymbolSets::ALL, |other| other == s)).collect();
    for joint in [Joint::In(Side::Left), Joint::In(Side::Right), Joint::Between] {
        let up = &cfg.side(if joint == Joint::In(Side::Right) { Side::Right } else { Side::Left }).useful_up;
        let mut each = std::collections::BTreeSet::new();
        for waiting in 0..n {
            for next in 0..n {
                let made = symbols.combined(joint, single[waiting as usize], single[next as usize]);
                let parents = cfg.joint(joint).continue_[waiting as usize].iter().filter(|rule| rule.0 == next);
                let all: std::collections::BTreeSet<u32> = parents.flat_map(|rule| up[rule.1 as usize].iter().copied()).collect();
                assert_eq!(symbols.iter(made).collect::<Vec<_>>(), all.iter().copied().collect::<Vec<_>>(), "{joint:?} {waiting} {next}");
                each.extend(all);
            }
        }
        let everything = symbols.filtered(SymbolSets::ALL, |_| true);
        let all = symbols.combined(joint, everything, everything);
        assert_eq!(symbols.iter(all).collect::<Vec<_>>(), each.into_iter().collect::<Vec<_>>());
    }
}
