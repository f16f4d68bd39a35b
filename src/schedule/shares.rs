//! Loops that workers run by themselves: see [`Shares`].
//!
//! A recurrent cell computes each row of the batch from that row alone, in every launch of every step. So the points of
//! its kernels can be cut at the same rows, and a worker never waits for another one. Nothing here knows of rows, though:
//! a kernel may be cut where its points before the cut write the first elements of each result and those behind it the
//! others. Cuts at the same fraction of the results in all launches are the ends of shares, if they keep apart
//! whatever is written in the loop.

mod cuts;

use super::{Arg, Item, Launch, Loop, Shares, StepProgram, launches, loops};
use crate::tile::footprint::{Footprint, hull};
use crate::tile::{Access, Kernel};
use cuts::{Cuts, Profile};
use std::collections::BTreeMap;
use std::ops::Range;

/// Finds the shares of all loops, the outer ones first.
pub fn assign(program: &mut StepProgram) {
    let mut items = std::mem::take(&mut program.items);
    let mut finder = Finder { kernels: &program.kernels, profiles: BTreeMap::new() };
    finder.items(&mut items);
    program.items = items;
}

struct Finder<'a> {
    kernels: &'a [Kernel],
    profiles: BTreeMap<usize, Profile>,
}

impl Finder<'_> {
    fn items(&mut self, items: &mut [Item]) {
        for item in items {
            if let Item::Loop(inner) = item
                && !self.looped(inner)
            {
                self.items(&mut inner.items);
            }
        }
    }

    /// Gives a loop shares; false where it has none.
    fn looped(&mut self, inner: &mut Loop) -> bool {
        let conditional = inner.condition.is_some() || loops(&inner.items).iter().any(|l| l.condition.is_some());
        let all: Vec<Launch> = launches(&inner.items).into_iter().cloned().collect();
        let found = if conditional || all.is_empty() { None } else { self.cut(&all) };
        let Some(cuts) = found else { return false };
        inner.shares = Some(Shares { count: cuts.count, barrier: false });
        let mut points = cuts.points.into_iter();
        each_launch(&mut inner.items, &mut |launch| launch.share = points.next().expect("one number a launch"));
        true
    }

    /// Cuts that all launches have in common and that keep everything apart.
    fn cut(&mut self, launches: &[Launch]) -> Option<Cuts> {
        for launch in launches {
            self.profiles.entry(launch.kernel).or_insert_with(|| Profile::of(&self.kernels[launch.kernel]));
        }
        let profiles: Vec<&Profile> = launches.iter().map(|l| &self.profiles[&l.kernel]).collect();
        let cuts = cuts::common(&profiles)?;
        let shares: Vec<Vec<Footprint>> =
            profiles.iter().zip(&cuts.points).map(|(profile, points)| profile.shares(*points)).collect();
        self.are_apart(launches, &shares).then_some(cuts)
    }

    /// Whether no launch touches in one share what another, or itself in another iteration, writes in a different one.
    fn are_apart(&self, launches: &[Launch], shares: &[Vec<Footprint>]) -> bool {
        let mut uses: BTreeMap<u32, Vec<Use>> = BTreeMap::new();
        for (launch, shares) in launches.iter().zip(shares) {
            let params = &self.kernels[launch.kernel].params;
            for (n, (arg, param)) in launch.args.iter().zip(params).enumerate() {
                let spans = shares.iter().map(|s| hull(&s.reads[n], &s.writes[n])).collect();
                let written = param.access != Access::Read;
                uses.entry(arg.buffer.0).or_default().push(Use { arg, elements: param.elements(), written, spans });
            }
        }
        uses.values().all(|uses| uses.iter().all(|a| !a.written || uses.iter().all(|b| a.is_apart(b))))
    }
}

/// What a launch touches of a buffer in each share.
struct Use<'a> {
    arg: &'a Arg,
    elements: usize,
    written: bool,
    spans: Vec<Range<usize>>,
}

impl Use<'_> {
    /// In each share before what the other touches in later ones, and the other way round. Both must be slices of
    /// one size: then two of them are the same elements or none in common.
    fn is_apart(&self, other: &Use) -> bool {
        let sliced = |arg: &Arg| {
            let mut distances = arg.steps.iter().map(|s| s.stride).chain([arg.offset]);
            distances.all(|n| n.is_multiple_of(self.elements.max(1)))
        };
        let same = self.elements == other.elements && sliced(self.arg) && sliced(other.arg);
        same && ascend(&self.spans, &other.spans) && ascend(&other.spans, &self.spans)
    }
}

/// Whether each of `first` ends before each later one of `second` begins.
fn ascend(first: &[Range<usize>], second: &[Range<usize>]) -> bool {
    let mut end = 0;
    first.iter().zip(&second[1..]).all(|(a, b)| {
        end = if a.is_empty() { end } else { end.max(a.end) };
        b.is_empty() || end <= b.start
    })
}

fn each_launch(items: &mut [Item], f: &mut impl FnMut(&mut Launch)) {
    for item in items {
        match item {
            Item::Launch(launch) => f(launch),
            Item::Loop(inner) => {
                each_launch(&mut inner.items, f);
                each_launch(&mut inner.after, f);
            }
        }
    }
}
