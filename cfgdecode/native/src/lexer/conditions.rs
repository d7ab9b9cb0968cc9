//! Conditions on the text that follows: one look that must not hold, and looks that must.
//!
//! `not A and not B` is `not (A or B)`, so one negative look is enough; a positive look loses the threads that the
//! negative one forbids; conditions inside of looks lose what the condition around them settles. Thereby
//! nearly every condition shrinks to [`ALWAYS`] after a byte or two, and most contradictions to [`NEVER`].
//!
//! Invariants: condition 0 = [`ALWAYS`]; positive looks are sorted, and none includes another.
//! Cost: quadratic in the positive looks, of which there are few; each step is computed once.

use smallvec::SmallVec;

use super::scanner::{ALWAYS, CondId, HoldsId, LOOK_FALSE, LOOK_TRUE, LookId, MATCHED, NEVER, Scanner};

impl Scanner {
    pub(super) fn parts(&self, cond: CondId) -> (LookId, SmallVec<[LookId; 4]>) {
        let looks = self.conds.get(cond);
        (looks[0], SmallVec::from_slice(&looks[1..]))
    }

    /// The normal form of "not `negative`, and all of `positive`".
    pub(super) fn cond(&mut self, mut negative: LookId, mut positive: SmallVec<[LookId; 4]>) -> CondId {
        loop {
            negative = self.given(negative, negative, &positive, None);
            for i in 0..positive.len() {
                positive[i] = self.given(positive[i], negative, &positive, Some(i));
            }
            if negative == LOOK_TRUE || positive.contains(&LOOK_FALSE) {
                return NEVER;
            }
            if negative == LOOK_FALSE && positive.is_empty() {
                return ALWAYS;
            }
            if let Some((i, cond)) = self.waiting_match(negative) {
                // not (A) = A negated; not (not A) = A.
                let (inner_negative, inner_positive) = self.parts(cond);
                let mut threads = self.looks.get(negative).to_vec();
                threads.remove(i);
                negative = self.look(threads);
                negative = inner_positive.first().map_or(negative, |&look| self.union(negative, look));
                if inner_negative != LOOK_FALSE {
                    positive.push(inner_negative);
                }
                continue;
            }
            let single = positive.iter().position(|&look| {
                let threads = self.looks.get(look);
                look != LOOK_TRUE && threads.len() == 1 && threads[0].pc == MATCHED
            });
            if let Some(i) = single {
                let cond = self.looks.get(positive.remove(i))[0].cond;
                let (inner_negative, inner_positive) = self.parts(cond);
                negative = self.union(negative, inner_negative);
                positive.extend(inner_positive);
                continue;
            }
            let before = positive.clone();
            for look in &mut positive {
                *look = self.minus(*look, negative);
            }
            if positive == before {
                break;
            }
        }
        positive.retain(|look| *look != LOOK_TRUE);
        positive.sort_unstable();
        positive.dedup();
        let all = positive.clone();
        positive.retain(|look| !all.iter().any(|other| other != look && self.is_subset(*other, *look)));
        let mut looks: SmallVec<[u32; 5]> = SmallVec::new();
        looks.push(negative);
        looks.extend(positive);
        self.check_limits();
        self.conds.intern(&looks)
    }

    /// The look, where it is known that `negative` does not hold and `positive` hold (but for the one at `except`).
    pub(super) fn given(&mut self, look: LookId, negative: LookId, positive: &[LookId], except: Option<usize>) -> LookId {
        if self.looks.get(look).iter().all(|t| t.cond == ALWAYS) {
            return look;
        }
        let mut threads = self.looks.get(look).to_vec();
        let mut changed = false;
        for thread in &mut threads {
            if thread.cond == ALWAYS {
                continue;
            }
            let (inner_negative, inner_positive) = self.parts(thread.cond);
            let known = |i: usize| Some(i) != except;
            let is_true = |look: LookId| positive.iter().enumerate().any(|(i, &p)| known(i) && self.is_subset(p, look));
            if is_true(inner_negative) || inner_positive.iter().any(|&look| self.is_subset(look, negative)) {
                (thread.cond, changed) = (NEVER, true);
                continue;
            }
            let rest = if self.is_subset(inner_negative, negative) { LOOK_FALSE } else { inner_negative };
            let asked: SmallVec<[LookId; 4]> = inner_positive.iter().copied().filter(|&look| !is_true(look)).collect();
            if rest != inner_negative || asked.len() < inner_positive.len() {
                (thread.cond, changed) = (self.cond(rest, asked), true);
            }
        }
        if changed { self.look(threads) } else { look }
    }

    /// A match in a look whose condition is one look only.
    pub(super) fn waiting_match(&self, look: LookId) -> Option<(usize, CondId)> {
        let threads = self.looks.get(look);
        let first = threads.partition_point(|t| t.pc < MATCHED);
        let found = threads[first..].iter().position(|t| {
            let looks = self.conds.get(t.cond);
            usize::from(looks[0] != LOOK_FALSE) + looks.len() - 1 == 1
        });
        found.map(|i| (first + i, threads[first + i].cond))
    }

    pub(super) fn both(&mut self, a: CondId, b: CondId) -> CondId {
        match (a, b) {
            (NEVER, _) | (_, NEVER) => NEVER,
            (ALWAYS, other) | (other, ALWAYS) => other,
            (a, b) if a == b => a,
            (a, b) => {
                let (negative, mut positive) = self.parts(a);
                let (other, more) = self.parts(b);
                positive.extend(more);
                let negative = self.union(negative, other);
                self.cond(negative, positive)
            }
        }
    }

    pub(super) fn with_look(&mut self, cond: CondId, look: LookId, negate: bool) -> CondId {
        if cond == NEVER {
            return NEVER;
        }
        match (look, negate) {
            (LOOK_FALSE, true) | (LOOK_TRUE, false) => return cond,
            (LOOK_FALSE, false) | (LOOK_TRUE, true) => return NEVER,
            _ => {}
        }
        let (mut negative, mut positive) = self.parts(cond);
        if negate {
            negative = self.union(negative, look);
        } else {
            positive.push(look);
        }
        self.cond(negative, positive)
    }

    /// Whether condition `a` surely implies `b` (some implications are not seen).
    pub(super) fn implies(&self, a: CondId, b: CondId) -> bool {
        if a == b || b == ALWAYS || a == NEVER {
            return true;
        }
        if b == NEVER || a == ALWAYS {
            return false;
        }
        let (a, b) = (self.conds.get(a), self.conds.get(b));
        self.is_subset(b[0], a[0]) && b[1..].iter().all(|&weak| a[1..].iter().any(|&strong| self.is_subset(strong, weak)))
    }

    pub(super) fn step_cond(&mut self, cond: CondId, class: u8, holds: HoldsId) -> CondId {
        if cond == ALWAYS || cond == NEVER {
            return cond;
        }
        if let Some(&next) = self.cond_steps.get(&(cond, class, holds)) {
            return next;
        }
        let (negative, positive) = self.parts(cond);
        let negative = self.step_look(negative, class, holds);
        let positive = positive.iter().map(|&look| self.step_look(look, class, holds)).collect();
        let next = self.cond(negative, positive);
        self.cond_steps.insert((cond, class, holds), next);
        next
    }

    /// Whether the condition holds if the text ends here.
    pub(super) fn holds_at_end(&self, cond: CondId) -> bool {
        if cond == ALWAYS || cond == NEVER {
            return cond == ALWAYS;
        }
        let looks = self.conds.get(cond);
        !self.look_holds_at_end(looks[0]) && looks[1..].iter().all(|&look| self.look_holds_at_end(look))
    }
}
