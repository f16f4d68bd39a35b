//! The body of a loop over data. It is built in the graph around it, so that what stands outside can be used as it is,
//! and then cut out: what the body reads from outside becomes a constant of the loop.

mod paths;

use super::{Checked, Emit};
use crate::ops::dim::Dim;
use crate::ops::{Binary, DType, Op, Type};
use crate::tensor::{Graph, InputRole, Inst, Origin, OutputRole, Value as Node};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A loop whose body is under construction.
#[derive(Clone, Debug)]
pub struct OpenLoop {
    /// Where the body's instructions begin.
    start: usize,
    /// The iteration's place along the axis, i32[].
    pub position: Node,
    /// What enters an iteration from the one before or from its own place.
    placeholders: HashSet<Node>,
    /// Named tensors that the body may change.
    pub slots: Vec<Slot>,
}

/// A named tensor of the program as one loop sees it.
#[derive(Clone, Debug)]
pub struct Slot {
    pub name: Arc<str>,
    /// The value at the beginning of an iteration.
    pub inside: Node,
    /// The value before the loop.
    pub outside: Node,
}

/// One value that goes from iteration to iteration.
#[derive(Clone, Debug)]
pub struct Carry {
    pub name: String,
    pub inside: Node,
    pub init: Node,
    pub next: Node,
}

/// A scanned tensor, its axis in front, and what an iteration sees of it.
#[derive(Clone, Debug)]
pub struct Scanned {
    pub name: String,
    pub slice: Node,
    pub whole: Node,
}

/// What is known about a loop once its body stands.
pub struct Finished {
    pub length: Dim,
    pub reverse: bool,
    pub checkpoint: Option<usize>,
    /// The first carry says whether another iteration follows.
    pub while_carry: bool,
    pub carries: Vec<Carry>,
    pub xs: Vec<Scanned>,
    pub ys: Vec<Node>,
}

/// The part of a graph that is set aside while something is built before all loops.
pub struct Aside {
    insts: Vec<Inst<Dim>>,
    loops: Vec<OpenLoop>,
}

impl Emit {
    pub fn open_loop(&mut self) {
        let start = self.graph.insts.len();
        let scalar = Type::scalar(DType::I32);
        self.loops.push(OpenLoop { start, position: Node(0), placeholders: HashSet::new(), slots: vec![] });
        let position = self.placeholder(self.loops.len() - 1, scalar);
        if let Some(innermost) = self.loops.last_mut() {
            innermost.position = position;
        }
    }

    /// A value that enters the body of the innermost loop, of the same type as this one outside.
    pub fn placeholder_for(&mut self, outside: Node) -> Node {
        let inside = self.placeholder(self.loops.len() - 1, self.ty(outside).clone());
        self.settle_like(inside, outside);
        inside
    }

    /// What an iteration of the innermost loop sees of a tensor that is scanned along its first axis.
    pub fn slice_placeholder(&mut self, whole: Node) -> Node {
        let Type { dtype, shape } = self.ty(whole).clone();
        let slice = self.placeholder(self.loops.len() - 1, Type::new(dtype, shape[1..].to_vec()));
        self.settle_like(slice, whole);
        slice
    }

    /// A value that enters the body of this loop; it stands before all that is built there.
    fn placeholder(&mut self, depth: usize, ty: Type<Dim>) -> Node {
        let node = self.graph.fresh(ty);
        let op = Op::Input { name: String::new() };
        let inst = Inst { op, args: vec![], results: vec![node], regions: vec![], origin: self.origin.clone() };
        self.graph.insts.insert(self.loops[depth].start, inst);
        self.loops[depth].placeholders.insert(node);
        self.loops[depth + 1..].iter_mut().for_each(|inner| inner.start += 1);
        node
    }

    /// A named tensor inside of all open loops, given its value before them.
    pub fn enter_loops(&mut self, name: &Arc<str>, value: Node) -> Node {
        (0..self.loops.len()).fold(value, |outside, depth| self.slot(depth, name, outside))
    }

    /// A named tensor inside of one loop, given its value before it.
    pub fn slot(&mut self, depth: usize, name: &Arc<str>, outside: Node) -> Node {
        let ty = self.ty(outside).clone();
        let inside = self.placeholder(depth, ty);
        self.settle_like(inside, outside);
        self.loops[depth].slots.push(Slot { name: name.clone(), inside, outside });
        inside
    }

    /// Sets the bodies of all loops aside: what follows is built before them.
    pub fn leave_loops(&mut self) -> Aside {
        let start = self.loops.first().map_or(self.graph.insts.len(), |outermost| outermost.start);
        Aside { insts: self.graph.insts.split_off(start), loops: std::mem::take(&mut self.loops) }
    }

    pub fn return_to_loops(&mut self, aside: Aside) {
        self.loops = aside.loops;
        if let Some(before) = self.loops.first().map(|outermost| outermost.start) {
            let added = self.graph.insts.len() - before;
            self.loops.iter_mut().for_each(|l| l.start += added);
        }
        self.graph.insts.extend(aside.insts);
    }

    /// A named input of the function; it stands before all loops.
    pub fn input(&mut self, name: &str, role: InputRole, ty: Type<Dim>, origin: Origin) -> Node {
        let aside = self.leave_loops();
        let node = self.graph.input(name, role, ty, origin);
        self.return_to_loops(aside);
        node
    }

    /// The seed of random draws: in a loop each iteration has one of its own. Multiplication by an odd number is a
    /// bijection of 32-bit integers, and multiples of this one (2³² divided by the golden ratio) lie far apart, so
    /// that also the iterations of nested loops differ.
    pub fn seed(&mut self) -> Checked<Node> {
        let mut seed = self.scalar("seed");
        for position in self.loops.iter().map(|l| l.position).collect::<Vec<_>>() {
            let next = self.with_number(Binary::Add, position, 1.0)?;
            let sum = self.zip(Binary::Add, seed, next)?;
            seed = self.with_number(Binary::Mul, sum, GOLDEN)?;
        }
        Ok(seed)
    }

    /// Drops the innermost loop with its body.
    pub fn drop_loop(&mut self) {
        if let Some(open) = self.loops.pop() {
            self.graph.insts.truncate(open.start);
        }
    }

    /// Cuts the body of the innermost loop out and puts the loop in its place. Gives the carries' final values, those
    /// that nothing changes included, and the stacked ys, their new axis in front. What is carried over padding is an
    /// error, unless the loop takes a mask.
    pub fn close_loop(&mut self, parts: Finished) -> Checked<(Vec<Node>, Vec<Node>)> {
        let Some(open) = self.loops.pop() else { return Ok((vec![], vec![])) };
        self.check_gradients(&open, &parts)?;
        let tail = self.graph.insts.split_off(open.start);
        let insts: Vec<Inst<Dim>> = tail.into_iter().filter(|i| !open.placeholders.contains(&i.results[0])).collect();
        let stays: Vec<bool> = parts
            .carries
            .iter()
            .enumerate()
            .map(|(n, c)| c.next == c.inside && !(parts.while_carry && n == 0))
            .collect();
        let picked =
            |wanted: bool| parts.carries.iter().zip(&stays).filter(move |(_, s)| **s == wanted).map(|(c, _)| c);
        let (changed, same): (Vec<&Carry>, Vec<&Carry>) = (picked(false).collect(), picked(true).collect());
        let mut body = Body::new(&self.graph, same.iter().map(|c| (c.inside, c.init)).collect());
        let outputs: Vec<Node> = changed.iter().map(|c| c.next).chain(parts.ys.iter().copied()).collect();
        let consts = body.free_values(&insts, &open.placeholders, &outputs);
        let read: HashSet<Node> = insts.iter().flat_map(|i| &i.args).chain(&outputs).copied().collect();

        body.input("i", open.position);
        for (n, &value) in consts.iter().enumerate() {
            body.input(&self.input_name(value).unwrap_or_else(|| format!("c{n}")), value);
        }
        changed.iter().for_each(|c| body.input(&c.name, c.inside));
        parts.xs.iter().for_each(|x| body.input(&x.name, x.slice));
        insts.into_iter().for_each(|inst| body.push(inst));
        for (n, &value) in outputs.iter().enumerate() {
            let name = changed.get(n).map_or_else(|| format!("y{}", n - changed.len()), |c| c.name.clone());
            body.output(&name, value);
        }

        let mut args: Vec<Node> = consts.into_iter().chain(changed.iter().map(|c| c.init)).collect();
        if !changed.is_empty() {
            // A mask that the body goes past leaves nothing out.
            let used = parts.xs.iter().filter(|x| read.contains(&x.slice)).map(|x| x.whole);
            self.check_padded_axis(&parts.length, &[&args[..], &used.collect::<Vec<_>>()].concat())?;
        }
        args.extend(parts.xs.iter().map(|x| x.whole));
        let op = Op::Scan {
            carries: changed.len(),
            xs: parts.xs.len(),
            reverse: parts.reverse,
            length: parts.length.clone(),
            while_carry: parts.while_carry,
            checkpoint: parts.checkpoint,
        };
        let mut types: Vec<Type<Dim>> = changed.iter().map(|c| self.ty(c.init).clone()).collect();
        for &y in &parts.ys {
            let Type { dtype, shape } = self.ty(y).clone();
            types.push(Type::new(dtype, [vec![parts.length.clone()], shape].concat()));
        }
        let region = body.region;
        let mut results = self.graph.push(op, args, types, self.origin.clone());
        if let Some(inst) = self.graph.insts.last_mut() {
            inst.regions = vec![region];
        }
        let ys = results.split_off(changed.len());
        let mut finals = results.into_iter();
        let of = |(c, stays): (&Carry, &bool)| if *stays { Some(c.init) } else { finals.next() };
        Ok((parts.carries.iter().zip(&stays).filter_map(of).collect(), ys))
    }

    /// The name of a value that is an input of the function.
    fn input_name(&self, value: Node) -> Option<String> {
        let inst = self.graph.insts.iter().find(|i| i.results.first() == Some(&value))?;
        inst.input_name().filter(|name| !name.is_empty()).map(String::from)
    }
}

/// 2³² divided by the golden ratio, odd, as an i32.
const GOLDEN: f64 = -1_640_531_527.0;

/// A region that takes the place of instructions of the graph around it.
struct Body<'g> {
    outer: &'g Graph<Dim>,
    region: Graph<Dim>,
    /// Values under another name.
    aliases: HashMap<Node, Node>,
    /// Values of the graph around in the region.
    renamed: HashMap<Node, Node>,
    names: HashSet<String>,
}

impl<'g> Body<'g> {
    fn new(outer: &'g Graph<Dim>, aliases: HashMap<Node, Node>) -> Self {
        let region = Graph::new("body");
        Body { outer, region, aliases, renamed: HashMap::new(), names: HashSet::new() }
    }

    fn resolve(&self, value: Node) -> Node {
        self.aliases.get(&value).copied().unwrap_or(value)
    }

    /// What is used and stands outside, in order of its first use.
    fn free_values(&self, insts: &[Inst<Dim>], own: &HashSet<Node>, outputs: &[Node]) -> Vec<Node> {
        let mut known: HashSet<Node> = own.iter().copied().collect();
        let mut free = vec![];
        let mut uses = |values: &[Node], known: &mut HashSet<Node>| {
            for value in values.iter().map(|&v| self.resolve(v)) {
                if known.insert(value) {
                    free.push(value);
                }
            }
        };
        for inst in insts {
            uses(&inst.args, &mut known);
            known.extend(&inst.results);
        }
        uses(outputs, &mut known);
        free
    }

    fn input(&mut self, name: &str, value: Node) {
        let mut unique = if name.is_empty() { "x".to_string() } else { name.to_string() };
        while !self.names.insert(unique.clone()) {
            unique.push('\'');
        }
        let ty = self.outer.ty(value).clone();
        let inside = self.region.input(unique, InputRole::Arg, ty, Origin::default());
        self.renamed.insert(value, inside);
    }

    fn value(&self, value: Node) -> Node {
        let value = self.resolve(value);
        self.renamed.get(&value).copied().unwrap_or(value)
    }

    fn push(&mut self, inst: Inst<Dim>) {
        let args = inst.args.iter().map(|&a| self.value(a)).collect();
        let types = inst.results.iter().map(|&r| self.outer.ty(r).clone()).collect();
        let results = self.region.push(inst.op, args, types, inst.origin);
        if let Some(last) = self.region.insts.last_mut() {
            last.regions = inst.regions;
        }
        self.renamed.extend(inst.results.into_iter().zip(results));
    }

    fn output(&mut self, name: &str, value: Node) {
        let value = self.value(value);
        self.region.output(name, OutputRole::Result, value);
    }
}
