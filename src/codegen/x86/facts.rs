//! What each value of a kernel is to the emitter, before any register is given out.

use crate::codegen::clif::mark_stores;
use crate::lane::{Access, Address, Elem, Kernel, LaneOp, Stmt, Store, Type, Value, VecOp};
use crate::ops::{Compare, DType};
use std::collections::HashMap;

/// Lanes of a register.
pub const LANES: u16 = 16;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Gpr,
    Zmm,
    Mask,
}

/// Bits that can be had from memory at any time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Constant {
    /// The same word in every lane.
    Word(u32),
    /// 0, 1, 2, …
    Lanes,
    /// The first n lanes.
    First(u16),
}

/// How a value reaches its uses.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Form {
    /// From a register or a slot on the stack.
    Stored(Class),
    /// The same, or from the constants.
    Constant(Class, Constant),
    /// An index that is known.
    Number(i64),
    /// A condition: each use compares again.
    Test(Compare, Value, Value),
    /// A load that its only use does; true where one element goes to all lanes.
    Folded(Address, bool),
}

/// Values beyond those of the kernel follow them: buffer pointers, the fault pointer, masks of partial accesses.
pub struct Facts {
    pub forms: Vec<Form>,
    uses: Vec<u32>,
    /// Number of values of the kernel, and of its buffers.
    values: usize,
    buffers: usize,
    /// The mask of each partial count.
    tails: HashMap<u16, Value>,
}

/// Whether the emitter takes a kernel: vectors of one register, no condition as data.
pub fn accepts(kernel: &Kernel) -> bool {
    let whole = kernel.types.iter().all(|ty| matches!(ty, Type::I64 | Type::Cond) || ty.lanes() == LANES);
    whole && body_accepted(kernel, &kernel.body)
}

fn body_accepted(kernel: &Kernel, body: &[Stmt]) -> bool {
    let data = |v: Value| kernel.types[v.0 as usize] != Type::Cond;
    body.iter().all(|stmt| match stmt {
        Stmt::Loop(l) => l.carries.iter().all(|c| data(c.0)) && body_accepted(kernel, &l.body),
        Stmt::If { then, otherwise, results, .. } => {
            let arms = [then, otherwise];
            results.iter().all(|r| data(*r)) && arms.iter().all(|a| body_accepted(kernel, &a.body))
        }
        Stmt::Let { op: LaneOp::Load { access, .. }, .. } | Stmt::Store(Store { access, .. }) => reach_fits(access),
        _ => true,
    })
}

/// Distances of strided lanes in bytes are displacements.
fn reach_fits(access: &Access) -> bool {
    !matches!(access, Access::Strided { stride, .. } if stride.unsigned_abs() > 1 << 24)
}

fn class(ty: Type) -> Class {
    match ty {
        Type::I64 | Type::Cond => Class::Gpr,
        Type::Vec(..) => Class::Zmm,
        Type::Mask(_) => Class::Mask,
    }
}

impl Facts {
    pub fn new(kernel: &Kernel) -> Facts {
        let mut forms: Vec<Form> = kernel.types.iter().map(|ty| Form::Stored(class(*ty))).collect();
        let (values, buffers) = (forms.len(), kernel.buffers.len());
        forms.extend(vec![Form::Stored(Class::Gpr); buffers + 1]);
        let mut facts = Facts { uses: vec![0; forms.len()], forms, values, buffers, tails: HashMap::new() };
        facts.survey(&kernel.body);
        facts.fold(kernel);
        facts
    }

    pub fn form(&self, v: Value) -> Form {
        self.forms[v.0 as usize]
    }

    /// The value of buffer `buffer`'s pointer.
    pub fn base(&self, buffer: u32) -> Value {
        Value(self.values as u32 + buffer)
    }

    pub fn fault(&self) -> Value {
        Value((self.values + self.buffers) as u32)
    }

    /// The mask of an access to `count` elements; `None` where it is to all lanes.
    pub fn tail(&self, count: u16) -> Option<Value> {
        self.tails.get(&count).copied()
    }

    /// Masks of partial accesses: count and value.
    pub fn tails(&self) -> impl Iterator<Item = Value> + '_ {
        self.tails.values().copied()
    }

    pub fn is_used(&self, v: Value) -> bool {
        self.uses[v.0 as usize] > 0
    }

    pub fn word(&self, v: Value) -> Option<u32> {
        match self.form(v) {
            Form::Constant(_, Constant::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn count_use(&mut self, v: Value) {
        self.uses[v.0 as usize] += 1;
    }

    /// Counts uses and takes note of constants.
    fn survey(&mut self, body: &[Stmt]) {
        for stmt in body {
            for_uses(stmt, |v| self.count_use(v));
            match stmt {
                Stmt::Let { value, op } => {
                    if let Some(form) = form_of(op) {
                        self.forms[value.0 as usize] = form;
                    }
                    if let LaneOp::Load { access, .. } = op {
                        self.note_tail(access);
                    }
                }
                Stmt::Store(s) => self.note_tail(&s.access),
                Stmt::Loop(l) => self.survey(&l.body),
                Stmt::If { then, otherwise, .. } => {
                    self.survey(&then.body);
                    self.survey(&otherwise.body);
                }
                Stmt::Fault { .. } | Stmt::FaultIf { .. } => {}
            }
        }
    }

    fn note_tail(&mut self, access: &Access) {
        let (Access::Contiguous { count } | Access::Strided { count, .. }) = *access else { return };
        if count > 0 && count < LANES && !self.tails.contains_key(&count) {
            self.tails.insert(count, Value(self.forms.len() as u32));
            self.forms.push(Form::Constant(Class::Mask, Constant::First(count)));
            self.uses.push(1);
        }
    }

    /// Turns loads into operands of their only use, where that stands in the same body and no store can come between.
    fn fold(&mut self, kernel: &Kernel) {
        let mut stored = vec![false; kernel.buffers.len()];
        mark_stores(&kernel.body, &mut stored);
        let plain = |a: &Address| !stored[a.buffer as usize] && kernel.buffers[a.buffer as usize].size() == 4;
        self.fold_body(&kernel.body, &plain);
    }

    fn fold_body(&mut self, body: &[Stmt], plain: &impl Fn(&Address) -> bool) {
        let mut loads: HashMap<Value, (Address, bool)> = HashMap::new();
        for stmt in body {
            match stmt {
                Stmt::Let { value, op: LaneOp::Load { address, access } } => {
                    let whole = matches!(access, Access::Splat | Access::Contiguous { count: LANES });
                    if whole && plain(address) && self.uses[value.0 as usize] == 1 {
                        loads.insert(*value, (*address, *access == Access::Splat));
                    }
                }
                Stmt::Let { op: LaneOp::Vec(_, args), .. } => args.iter().for_each(|v| {
                    if let Some((address, splat)) = loads.get(v) {
                        self.forms[v.0 as usize] = Form::Folded(*address, *splat);
                    }
                }),
                Stmt::Loop(l) => self.fold_body(&l.body, plain),
                Stmt::If { then, otherwise, .. } => {
                    self.fold_body(&then.body, plain);
                    self.fold_body(&otherwise.body, plain);
                }
                _ => {}
            }
        }
    }
}

/// Forms that the operation alone decides.
fn form_of(op: &LaneOp) -> Option<Form> {
    Some(match *op {
        LaneOp::IConst(n) => Form::Number(n),
        LaneOp::IndexCompare(op, a, b) => Form::Test(op, a, b),
        LaneOp::FSplat(bits) => Form::Constant(Class::Zmm, Constant::Word(bits)),
        LaneOp::ISplat(n) => Form::Constant(Class::Zmm, Constant::Word(n as u32)),
        LaneOp::Lanes => Form::Constant(Class::Zmm, Constant::Lanes),
        LaneOp::FirstLanes(n) => Form::Constant(Class::Mask, Constant::First(n)),
        _ => return None,
    })
}

/// Calls `f` for each use in a statement itself, not in the bodies within it.
pub fn for_uses(stmt: &Stmt, mut f: impl FnMut(Value)) {
    match stmt {
        Stmt::Let { op, .. } => for_args(op, f),
        Stmt::Loop(l) => {
            [l.lo, l.hi].into_iter().for_each(&mut f);
            l.carries.iter().for_each(|c| f(c.0));
            l.yields.iter().for_each(|v| f(*v));
        }
        Stmt::If { cond, then, otherwise, .. } => {
            f(*cond);
            then.yields.iter().chain(&otherwise.yields).for_each(|v| f(*v));
        }
        Stmt::Store(s) => {
            f(s.value);
            for_access(&s.address, &s.access, f);
        }
        Stmt::Fault { mask: v } | Stmt::FaultIf { cond: v } => f(*v),
    }
}

/// Calls `f` for each argument.
pub fn for_args(op: &LaneOp, mut f: impl FnMut(Value)) {
    match op {
        LaneOp::IConst(_) | LaneOp::FSplat(_) | LaneOp::ISplat(_) | LaneOp::Lanes | LaneOp::FirstLanes(_) => {}
        LaneOp::Index(_, a, b) | LaneOp::IndexCompare(_, a, b) | LaneOp::Compare(_, a, b) => {
            [*a, *b].into_iter().for_each(f);
        }
        LaneOp::FirstLane(v)
        | LaneOp::SplatIndex(v)
        | LaneOp::SplatCond(v)
        | LaneOp::ToF32(v)
        | LaneOp::ToI32(v)
        | LaneOp::Bitcast(v)
        | LaneOp::Tree(_, v) => f(*v),
        LaneOp::Load { address, access } => for_access(address, access, f),
        LaneOp::Vec(_, args) => args.iter().for_each(|v| f(*v)),
        LaneOp::Select(m, a, b) => [*m, *a, *b].into_iter().for_each(f),
    }
}

/// Calls `f` for the values of an access, without the pointer and the mask of the count.
fn for_access(address: &Address, access: &Access, mut f: impl FnMut(Value)) {
    f(address.index);
    if let Access::Indexed { offsets, mask } = access {
        [*offsets, *mask].into_iter().for_each(f);
    }
}

/// Whether the code of an operation writes its result before it has read all arguments.
pub fn writes_early(op: &LaneOp) -> bool {
    matches!(
        op,
        LaneOp::ToI32(_) | LaneOp::Vec(VecOp::IMulHigh, _) | LaneOp::Load { access: Access::Indexed { .. }, .. }
    )
}

/// Whether memory of this type holds bytes.
pub fn is_byte(dtype: DType) -> bool {
    dtype.size() == 1
}

/// Whether a vector type is of floats.
pub fn is_float(ty: Type) -> bool {
    matches!(ty, Type::Vec(Elem::F32, _))
}
