use super::*;
use crate::grammar::{Cfg, Side};

fn balanced() -> Cfg {
    // s: | "(" s ")" s
    let t = vec!["(".to_string(), ")".to_string()];
    Cfg::new(&t, &["s".to_string()], &[(0, vec![]), (0, vec![-1, 0, -2, 0])], 0).unwrap()
}

fn chain(cfg: &Cfg, side: Side, terminals: &[u32]) -> (Chart, Vec<SetId>) {
    let mut chart = Chart::new(cfg, side);
    let mut at = vec![Chart::ROOT];
    for &t in terminals {
        let mut sources = Sources::default();
        sources.arcs.push((t, *at.last().unwrap()));
        at.push(chart.build(cfg, &mut sources));
    }
    (chart, at)
}

#[test]
fn both_sides_agree_at_every_point() {
    let cfg = balanced();
    for (text, want) in [(vec![], true), (vec![0, 1], true), (vec![0, 0, 1, 1, 0, 1], true), (vec![0, 1, 1], false), (vec![0], false)] {
        let (left, l) = chain(&cfg, Side::Left, &text);
        let reversed: Vec<u32> = text.iter().rev().copied().collect();
        let (right, r) = chain(&cfg, Side::Right, &reversed);
        for i in 0..=text.len() {
            let mut meeting = Meeting::default();
            assert_eq!(meeting.fits(&cfg, &left, &right, l[i], r[text.len() - i]), want, "{text:?} at {i}");
        }
    }
}

#[test]
fn a_group_that_loops_on_every_terminal_is_any_text() {
    let cfg = balanced();
    let (mut left, l) = chain(&cfg, Side::Left, &[0, 0]);
    let mut outer = Sources::default();
    outer.eps.push(l[2]);
    let inner = GroupArcs { eps: vec![], arcs: vec![(0, 0, 0), (0, 1, 0)] };
    let gap = left.build_group(&cfg, &[outer], &inner)[0];
    let (right, r) = chain(&cfg, Side::Right, &[1, 1, 1]);
    assert!(Meeting::default().fits(&cfg, &left, &right, gap, r[3]));
    let (right, r) = chain(&cfg, Side::Right, &[0]);
    assert!(!Meeting::default().fits(&cfg, &left, &right, gap, r[1]));
}
