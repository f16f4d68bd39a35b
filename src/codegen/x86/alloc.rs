//! Registers: groups of values that share one, then linear scan over groups by their first position. Where no register
//! is free, the groups with the least uses per position go to the stack (constants to their place in memory).

use super::facts::{Class, Constant, Facts, Form};
use super::isa::Shape;
use super::live::{Lives, Span};
use crate::lane::Value;
use iced_x86::Register;
use std::collections::{BTreeMap, HashMap};

/// Where a value is, for as long as it lives.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Home {
    Reg(Register),
    /// Distance from the stack pointer, in bytes.
    Slot(i64),
    Pool(Constant),
    /// Never used.
    Nowhere,
}

pub struct Homes {
    homes: Vec<Home>,
    /// Bytes of slots.
    pub frame: i64,
    /// Registers of the caller that are written.
    pub saved: Vec<Register>,
    /// For each vector register, by position, whether a value has it.
    taken: Vec<Vec<bool>>,
}

impl Homes {
    pub fn of(&self, v: Value) -> Home {
        self.homes[v.0 as usize]
    }

    /// Whether no value has the `n`th vector register while the statement at `at` runs.
    pub fn is_free(&self, n: usize, at: u32) -> bool {
        let at = at as usize;
        self.taken[n].iter().skip(at).take(2).all(|taken| !taken)
    }
}

/// Where slots begin: before them lies the caller's stack pointer.
const FIRST_SLOT: i64 = 64;

/// rax, rcx, rdx are the emitter's own.
const GPRS: [Register; 12] = [
    Register::RSI,
    Register::RDI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::RBX,
    Register::RBP,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];
const CALLEE_SAVED: [Register; 6] =
    [Register::RBX, Register::RBP, Register::R12, Register::R13, Register::R14, Register::R15];

/// Values that share a home.
struct Group {
    class: Class,
    constant: Option<Constant>,
    spans: Vec<Span>,
    reads: f32,
    writes: f32,
}

impl Group {
    /// What a register is worth, per position: the cost of memory in its place. Reads are mostly operands of other
    /// instructions and wait for no store; constants need no write.
    fn density(&self) -> f32 {
        let length: u32 = self.spans.iter().map(|s| s.to - s.from + 1).sum();
        let cost = if self.constant.is_some() { self.reads / 2.0 } else { self.reads + 2.0 * self.writes };
        cost / length as f32
    }
}

pub fn allocate(facts: &Facts, lives: &Lives, shape: &Shape) -> Homes {
    let (groups, group_of) = grouped(facts, lives);
    let mut order: Vec<usize> = (0..groups.len()).filter(|&g| groups[g].reads > 0.0).collect();
    order.sort_by_key(|&g| groups[g].spans.first().map_or(0, |s| s.from));
    let mut homes = vec![Home::Nowhere; groups.len()];
    let mut taken = vec![];
    for (class, registers) in [(Class::Gpr, &GPRS[..]), (Class::Vector, shape.vectors), (Class::Mask, shape.masks)] {
        let mut scan = Scan { groups: &groups, lines: registers.iter().copied().map(Line::new).collect() };
        order.iter().filter(|&&g| groups[g].class == class).for_each(|&g| scan.place(g, &mut homes));
        if class == Class::Vector {
            taken = scan.lines.iter().map(Line::map).collect();
        }
    }
    let frame = slots(&groups, &order, &mut homes, shape.bytes());
    let used = |r: &Register| homes.contains(&Home::Reg(*r));
    let saved = CALLEE_SAVED.into_iter().filter(used).collect();
    Homes { homes: group_of.iter().map(|g| g.map_or(Home::Nowhere, |g| homes[g])).collect(), frame, saved, taken }
}

// ── groups ──

/// Groups, and the group of each value that needs a home.
fn grouped(facts: &Facts, lives: &Lives) -> (Vec<Group>, Vec<Option<usize>>) {
    let mut groups = vec![];
    let mut group_of: Vec<Option<usize>> = vec![];
    for (n, form) in facts.forms.iter().enumerate() {
        let (class, constant) = match *form {
            Form::Stored(class) => (class, None),
            Form::Constant(class, constant) => (class, Some(constant)),
            _ => {
                group_of.push(None);
                continue;
            }
        };
        group_of.push(Some(groups.len()));
        groups.push(Group {
            class,
            constant,
            spans: lives.spans[n].clone(),
            reads: lives.reads[n],
            writes: lives.writes[n],
        });
    }
    let mut merger = Merger { parents: (0..groups.len()).collect(), groups };
    let of = |v: Value| group_of[v.0 as usize];
    lives.same.iter().filter_map(|(a, b)| of(*a).zip(of(*b))).for_each(|(a, b)| merger.merge(a, b));
    let mut joins: Vec<_> = lives.joins.iter().collect();
    joins.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    joins.iter().filter_map(|j| of(j.a).zip(of(j.b))).for_each(|(a, b)| merger.try_merge(a, b));
    let roots = group_of.iter().map(|g| g.map(|g| merger.root(g))).collect();
    (merger.groups, roots)
}

struct Merger {
    groups: Vec<Group>,
    parents: Vec<usize>,
}

impl Merger {
    fn root(&self, mut g: usize) -> usize {
        while self.parents[g] != g {
            g = self.parents[g];
        }
        g
    }

    /// Merges where the groups never live at the same time. Constants stay alone: they are never moved.
    fn try_merge(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (x, y) = (&self.groups[a], &self.groups[b]);
        let alike = x.class == y.class && x.constant.is_none() && y.constant.is_none();
        if a != b && alike && !overlap(&x.spans, &y.spans) {
            self.merge(a, b);
        }
    }

    fn merge(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return;
        }
        self.parents[b] = a;
        let spans = std::mem::take(&mut self.groups[b].spans);
        self.groups[a].spans.extend(spans);
        self.groups[a].spans.sort_by_key(|s| s.from);
        self.groups[a].reads += std::mem::take(&mut self.groups[b].reads);
        self.groups[a].writes += self.groups[b].writes;
    }
}

fn overlap(a: &[Span], b: &[Span]) -> bool {
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        if x.from <= y.to && y.from <= x.to {
            return true;
        }
        if x.to < y.to { i += 1 } else { j += 1 }
    }
    false
}

// ── scan ──

/// What one register or slot holds over time: from the first position of a span to its last and its group.
struct Line<T> {
    place: T,
    taken: BTreeMap<u32, (u32, usize)>,
}

impl<T> Line<T> {
    fn new(place: T) -> Line<T> {
        Line { place, taken: BTreeMap::new() }
    }

    fn conflict(&self, span: &Span) -> Option<usize> {
        let before = self.taken.range(..=span.to).next_back();
        before.filter(|(_, (to, _))| *to >= span.from).map(|(_, (_, group))| *group)
    }

    fn is_free(&self, spans: &[Span]) -> bool {
        spans.iter().all(|s| self.conflict(s).is_none())
    }

    fn take(&mut self, group: usize, spans: &[Span]) {
        self.taken.extend(spans.iter().map(|s| (s.from, (s.to, group))));
    }

    fn free(&mut self, group: usize) {
        self.taken.retain(|_, (_, g)| *g != group);
    }

    /// Whether something is there, by position.
    fn map(&self) -> Vec<bool> {
        let end = self.taken.values().map(|(to, _)| *to as usize + 1).max().unwrap_or(0);
        let mut map = vec![false; end];
        self.taken.iter().for_each(|(from, (to, _))| map[*from as usize..=*to as usize].fill(true));
        map
    }

    /// All groups that live at the same time.
    fn conflicts(&self, spans: &[Span]) -> Vec<usize> {
        let mut found = vec![];
        for span in spans {
            let touched = self.taken.range(..=span.to).rev().take_while(|(_, (to, _))| *to >= span.from);
            found.extend(touched.map(|(_, (_, group))| *group));
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

struct Scan<'a> {
    groups: &'a [Group],
    lines: Vec<Line<Register>>,
}

impl Scan<'_> {
    fn place(&mut self, g: usize, homes: &mut [Home]) {
        if self.place_free(g, homes) {
            return;
        }
        let worth = |g: &usize| self.groups[*g].density();
        let cost = |line: &Line<Register>| line.conflicts(&self.groups[g].spans).iter().map(worth).fold(0.0, f32::max);
        let costs: Vec<f32> = self.lines.iter().map(cost).collect();
        let cheapest = (0..costs.len()).min_by(|&i, &j| costs[i].total_cmp(&costs[j]));
        let Some(line) = cheapest.filter(|&l| costs[l] < worth(&g)) else {
            return homes[g] = self.fallback(g);
        };
        let evicted = self.lines[line].conflicts(&self.groups[g].spans);
        evicted.iter().for_each(|&e| self.lines[line].free(e));
        self.place_free(g, homes);
        for e in evicted {
            if !self.place_free(e, homes) {
                homes[e] = self.fallback(e);
            }
        }
    }

    /// Takes the first register that is free throughout.
    fn place_free(&mut self, g: usize, homes: &mut [Home]) -> bool {
        let spans = &self.groups[g].spans;
        let Some(line) = self.lines.iter_mut().find(|l| l.is_free(spans)) else { return false };
        line.take(g, spans);
        homes[g] = Home::Reg(line.place);
        true
    }

    /// A home without a register; slots are numbered by [`slots`].
    fn fallback(&self, g: usize) -> Home {
        self.groups[g].constant.map_or(Home::Slot(0), Home::Pool)
    }
}

/// Gives slots to groups without a register; returns the bytes from the stack pointer to their end.
fn slots(groups: &[Group], order: &[usize], homes: &mut [Home], vector: i64) -> i64 {
    let mut end = FIRST_SLOT;
    let mut lines: HashMap<i64, Vec<Line<i64>>> = HashMap::new();
    for size in [vector, 8] {
        for &g in order.iter().filter(|&&g| (groups[g].class == Class::Vector) == (size == vector)) {
            if homes[g] != Home::Slot(0) {
                continue;
            }
            let lines = lines.entry(size).or_default();
            let at = lines.iter().position(|l| l.is_free(&groups[g].spans)).unwrap_or_else(|| {
                lines.push(Line::new(end));
                end += size;
                lines.len() - 1
            });
            lines[at].take(g, &groups[g].spans);
            homes[g] = Home::Slot(lines[at].place);
        }
    }
    end - FIRST_SLOT
}
