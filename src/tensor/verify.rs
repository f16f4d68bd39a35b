//! Checks a graph, symbolic or bound. The invariants:
//!
//! 1. Every value is defined once, by an instruction before its first use, and has a type.
//! 2. Result types are what [`shape::infer`] says; given types (inputs, constants, tables) fit their operation, and a
//!    literal is of the kind its element type stores.
//! 3. The list of inputs is the `Input` instructions in order, each with a role. Names are unique among the tensors
//!    that are state (param, buffer, optstate) and within each other role. `rows` is `i32[B]`, a column has an axis
//!    for its rows, a scalar is one of `step`, `total`, `epoch`, `seed` and `i32[]`.
//! 4. Outputs exist. An update names a state input and has its type, one update each; a report and its weight are f32
//!    scalars; a check is a bool scalar.
//! 5. A composite has one or two regions and a scan one; nothing else has any. Each is a graph of its own that satisfies all this with inputs of
//!    role `arg` and outputs of role `result`. The body takes the arguments' types and gives the results'. The vjp
//!    takes arguments, results and the results' adjoints, and gives the adjoints of the float arguments.
//! 6. A scan's body takes the position (i32[]), the constants, the carries and a slice of each of the xs (axis 0, which
//!    has the scan's length); it gives the next carries, of the types of the first ones, which are also the types of the
//!    last ones, and a slice of each stacked result. With `while_carry` the first carry is a bool scalar.
//! 7. `Grad` takes a float scalar and floats, and gives adjoints of their types (its shape rule).

mod io;
#[cfg(test)]
mod tests;

use super::{Graph, InputRole, Inst, OutputRole, Value, scan};
use crate::ops::{DType, Extent, Literal, Op, Type, shape};

/// Every violation, in order; each names the graph and the instruction.
pub fn verify<D: Extent>(graph: &Graph<D>) -> Result<(), Vec<String>> {
    let mut checker = Checker { graph, defined: vec![false; graph.types.len()], problems: vec![] };
    checker.graph();
    if checker.problems.is_empty() { Ok(()) } else { Err(checker.problems) }
}

struct Checker<'g, D> {
    graph: &'g Graph<D>,
    /// By value number: an instruction so far defines it.
    defined: Vec<bool>,
    problems: Vec<String>,
}

impl<D: Extent> Checker<'_, D> {
    fn graph(&mut self) {
        for inst in &self.graph.insts {
            self.inst(inst);
        }
        self.inputs();
        for output in &self.graph.outputs {
            self.output(output);
        }
        self.updates_are_unique();
    }

    fn problem(&mut self, place: impl std::fmt::Display, what: impl std::fmt::Display) {
        self.problems.push(format!("{}: {place}: {what}", self.graph.name));
    }

    fn is_defined(&self, value: Value) -> bool {
        self.defined.get(value.0 as usize).copied().unwrap_or(false)
    }

    fn inst(&mut self, inst: &Inst<D>) {
        let undefined: Vec<Value> = inst.args.iter().copied().filter(|v| !self.is_defined(*v)).collect();
        for value in &undefined {
            self.problem(place(inst), format!("uses {value} before its definition"));
        }
        let mut known = undefined.is_empty();
        for value in &inst.results {
            known &= self.define(inst, *value);
        }
        if known {
            self.types(inst);
            self.regions(inst);
        }
    }

    /// False where the value has no type.
    fn define(&mut self, inst: &Inst<D>, value: Value) -> bool {
        match self.defined.get_mut(value.0 as usize) {
            Some(defined) if !*defined => *defined = true,
            Some(_) => self.problem(place(inst), format!("defines {value} again")),
            None => {
                self.problem(place(inst), format!("{value} has no type"));
                return false;
            }
        }
        true
    }

    fn types_of(&self, values: &[Value]) -> Vec<Type<D>> {
        values.iter().map(|v| self.graph.ty(*v).clone()).collect()
    }

    fn types(&mut self, inst: &Inst<D>) {
        let args: Vec<&Type<D>> = inst.args.iter().map(|v| self.graph.ty(*v)).collect();
        let found = self.types_of(&inst.results);
        match shape::infer(&inst.op, &args) {
            Err(error) => self.problem(place(inst), error),
            Ok(Some(expected)) => self.same_types(place(inst), "results", &expected, &found),
            Ok(None) => {
                if let Err(error) = shape::check_given(&inst.op, &found) {
                    self.problem(place(inst), error);
                }
            }
        }
        self.literals(inst, &found);
    }

    fn same_types(&mut self, place: String, what: &str, expected: &[Type<D>], found: &[Type<D>]) {
        let same = expected.len() == found.len() && expected.iter().zip(found).all(|(a, b)| same_type(a, b));
        if !same {
            self.problem(place, format!("{what} are {}, expected {}", list(found), list(expected)));
        }
    }

    fn literals(&mut self, inst: &Inst<D>, found: &[Type<D>]) {
        let literals: &[Literal] = match &inst.op {
            Op::Const(literal) => std::slice::from_ref(literal),
            Op::Table(literals, _) => literals,
            _ => return,
        };
        if found.first().is_some_and(|ty| literals.iter().any(|l| !fits(*l, ty.dtype))) {
            self.problem(place(inst), format!("a literal is not of {}", found[0].dtype));
        }
    }

    fn regions(&mut self, inst: &Inst<D>) {
        let allowed = match inst.op {
            Op::Composite { .. } => 1..=2,
            Op::Scan { .. } => 1..=1,
            _ => 0..=0,
        };
        if !allowed.contains(&inst.regions.len()) {
            return self.problem(place(inst), format!("has {} regions", inst.regions.len()));
        }
        for region in &inst.regions {
            let problems = verify(region).err().unwrap_or_default();
            problems.into_iter().for_each(|p| self.problem(place(inst), p));
        }
        if let Op::Scan { carries, xs, .. } = inst.op {
            return self.scan(inst, carries, xs);
        }
        let (args, results) = (self.types_of(&inst.args), self.types_of(&inst.results));
        if let Some(body) = inst.regions.first() {
            self.signature(inst, body, &args, &results);
        }
        if let Some(vjp) = inst.regions.get(1) {
            let inputs = [&args[..], &results, &results].concat();
            self.signature(inst, vjp, &inputs, &floats(&args));
        }
    }

    fn scan(&mut self, inst: &Inst<D>, carries: usize, xs: usize) {
        let (args, results) = (self.types_of(&inst.args), self.types_of(&inst.results));
        // Otherwise the shape rules have complained.
        let Some(first_carry) = args.len().checked_sub(xs).and_then(|n| n.checked_sub(carries)) else { return };
        let Some((finals, ys)) = results.split_at_checked(carries) else { return };
        let (consts, rest) = args.split_at(first_carry);
        let (inits, xs) = rest.split_at(carries);
        self.same_types(place(inst), "last carries", inits, finals);
        let position = [Type::scalar(DType::I32)];
        let inputs = [&position[..], consts, inits, &scan::slices(xs)].concat();
        self.signature(inst, &inst.regions[0], &inputs, &[inits, &scan::slices(ys)].concat());
    }

    fn signature(&mut self, inst: &Inst<D>, region: &Graph<D>, inputs: &[Type<D>], outputs: &[Type<D>]) {
        let ty = |v: Value| region.types.get(v.0 as usize).cloned();
        let found: Vec<Type<D>> = region.inputs.iter().filter_map(|(v, _)| ty(*v)).collect();
        self.same_types(place(inst), &format!("inputs of {}", region.name), inputs, &found);
        let found: Vec<Type<D>> = region.outputs.iter().filter_map(|o| ty(o.value)).collect();
        self.same_types(place(inst), &format!("outputs of {}", region.name), outputs, &found);
        let args = region.inputs.iter().all(|(_, role)| *role == InputRole::Arg);
        if !args || region.outputs.iter().any(|o| o.role != OutputRole::Result) {
            self.problem(place(inst), format!("{} has roles that only a function has", region.name));
        }
    }
}

/// How messages name an instruction: `%3 = conv`.
fn place<D: Clone>(inst: &Inst<D>) -> String {
    match inst.results.first() {
        Some(value) => format!("{value} = {}", inst.op.name()),
        None => inst.op.name().to_string(),
    }
}

fn same_type<D: Extent>(a: &Type<D>, b: &Type<D>) -> bool {
    a.dtype == b.dtype && a.rank() == b.rank() && a.shape.iter().zip(&b.shape).all(|(x, y)| x.same(y))
}

fn list<D: Extent>(types: &[Type<D>]) -> String {
    let types: Vec<String> = types.iter().map(|t| t.to_string()).collect();
    format!("({})", types.join(", "))
}

fn floats<D: Clone>(types: &[Type<D>]) -> Vec<Type<D>> {
    types.iter().filter(|t| t.dtype.is_float()).cloned().collect()
}

fn fits(literal: Literal, dtype: DType) -> bool {
    match literal {
        Literal::Float(_) => dtype.is_float(),
        Literal::Int(_) => dtype.is_int(),
        Literal::Bool(_) => dtype == DType::Bool,
    }
}
