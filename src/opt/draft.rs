//! A scan taken apart, for passes that change it: what crosses the border of the body, and the body itself.

use super::rename;
use crate::ops::{Op, Type};
use crate::tensor::build::Loop;
use crate::tensor::scan::{self, Scan, Values};
use crate::tensor::{Graph, InputRole, Inst, Origin, Value};
use std::collections::HashMap;

/// A constant or one of the xs, outside and inside of the body.
#[derive(Clone, Copy)]
pub struct Port {
    pub outside: Value,
    pub inside: Value,
}

#[derive(Clone, Copy)]
pub struct Carry {
    pub init: Value,
    /// What the body takes, and what it gives to the next step.
    pub inside: Value,
    pub next: Value,
    pub last: Value,
}

#[derive(Clone, Copy)]
pub struct Stack {
    pub slice: Value,
    pub whole: Value,
}

#[derive(Clone)]
pub struct Draft {
    pub how: Loop,
    pub position: Value,
    pub consts: Vec<Port>,
    pub carries: Vec<Carry>,
    pub xs: Vec<Port>,
    pub ys: Vec<Stack>,
    /// What the body computes: its instructions without the inputs, and the types of all its values.
    pub body: Graph,
    pub origin: Origin,
}

impl Draft {
    /// `None` for other instructions.
    pub fn of(inst: &Inst) -> Option<Draft> {
        let scan = Scan::of(inst)?;
        let (length, reverse, while_carry) = (*scan.length, scan.reverse, scan.while_carry);
        let ports = |outside: &[Value], inside: Vec<Value>| {
            outside.iter().zip(inside).map(|(&outside, inside)| Port { outside, inside }).collect()
        };
        let carries = scan.inits.iter().zip(scan.carry_inputs()).zip(scan.next()).zip(scan.finals);
        let carries = carries.map(|(((&init, inside), next), &last)| Carry { init, inside, next, last });
        let mut body = scan.body.clone();
        body.insts.retain(|inst| !matches!(inst.op, Op::Input { .. }));
        Some(Draft {
            how: Loop { length, reverse, while_carry, checkpoint: scan.checkpoint },
            position: scan.position(),
            consts: ports(scan.consts, scan.const_inputs()),
            carries: carries.collect(),
            xs: ports(scan.xs, scan.slice_inputs()),
            ys: scan.ys.iter().zip(scan.slices()).map(|(&whole, slice)| Stack { slice, whole }).collect(),
            body,
            origin: inst.origin.clone(),
        })
    }

    /// The scan; its results keep their numbers.
    pub fn into_inst(self) -> Inst {
        let consts = self.consts.iter().map(|p| p.outside);
        let args = consts.chain(self.carries.iter().map(|c| c.init)).chain(self.xs.iter().map(|p| p.outside)).collect();
        let results = self.carries.iter().map(|c| c.last).chain(self.ys.iter().map(|y| y.whole)).collect();
        let (op, origin) = (self.how.op(self.carries.len(), self.xs.len()), self.origin.clone());
        Inst { op, args, results, regions: vec![self.into_body()], origin }
    }

    fn into_body(self) -> Graph {
        let mut body = Graph { types: self.body.types, ..Graph::new("body") };
        let consts = self.consts.iter().map(|p| p.inside);
        let inside = consts.chain(self.carries.iter().map(|c| c.inside)).chain(self.xs.iter().map(|p| p.inside));
        let names = scan::input_names([self.consts.len(), self.carries.len(), self.xs.len()]);
        for (name, value) in names.zip(std::iter::once(self.position).chain(inside)) {
            let (op, origin) = (Op::Input { name }, Origin::default());
            body.insts.push(Inst { op, args: vec![], results: vec![value], regions: vec![], origin });
            body.inputs.push((value, InputRole::Arg));
        }
        body.insts.extend(self.body.insts);
        let next: Vec<Value> = self.carries.iter().map(|c| c.next).collect();
        body.step(&next, &self.ys.iter().map(|y| y.slice).collect::<Vec<_>>());
        body
    }

    /// Puts other values in the place of some, all inside.
    pub fn rename(&mut self, names: &HashMap<Value, Value>) {
        self.body.insts.iter_mut().for_each(|inst| rename(&mut inst.args, names));
        self.carries.iter_mut().for_each(|c| rename(std::slice::from_mut(&mut c.next), names));
        self.ys.iter_mut().for_each(|y| rename(std::slice::from_mut(&mut y.slice), names));
    }

    /// The name inside for a value outside.
    pub fn add_const(&mut self, outside: Value, ty: Type) -> Value {
        let known = self.consts.iter().find(|port| port.outside == outside).map(|port| port.inside);
        known.unwrap_or_else(|| {
            let inside = self.body.fresh(ty);
            self.consts.push(Port { outside, inside });
            inside
        })
    }

    /// What the next carries and the ys depend on, in the body.
    pub fn needed(&self) -> Values {
        let given = self.carries.iter().map(|c| c.next).chain(self.ys.iter().map(|y| y.slice));
        self.reached(given)
    }

    /// These values of the body and what they depend on.
    pub fn reached(&self, from: impl IntoIterator<Item = Value>) -> Values {
        let mut reached: Values = from.into_iter().collect();
        for inst in self.body.insts.iter().rev() {
            if inst.results.iter().any(|v| reached.contains(v)) {
                reached.extend(&inst.args);
            }
        }
        reached
    }

    /// Removes from the body what nothing depends on any more.
    pub fn prune(&mut self) {
        let needed = self.needed();
        self.body.insts.retain(|inst| inst.results.iter().any(|v| needed.contains(v)));
    }
}
