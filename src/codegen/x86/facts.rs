//! What each value of a kernel is to the emitter, before any register is given out.

use super::isa::{Shape, Touch};
use crate::codegen::clif::mark_stores;
use crate::lane::{Access, Address, Elem, Kernel, LaneOp, Stmt, Store, Type, Value, VecOp};
use crate::ops::{Compare, DType};
use std::collections::HashMap;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// A general register.
    Gpr,
    /// A ymm or zmm register.
    Vector,
    /// A k register.
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
pub struct Facts<'a> {
    shape: &'a Shape,
    pub forms: Vec<Form>,
    uses: Vec<u32>,
    /// Number of values of the kernel, and of its buffers.
    values: usize,
    buffers: usize,
    /// The mask of each count of lanes that is less than all.
    tails: HashMap<u16, Value>,
}

/// Whether the emitter takes a kernel: vectors of one register, no condition as data.
pub fn accepts(kernel: &Kernel, lanes: u16) -> bool {
    let whole = kernel.types.iter().all(|ty| matches!(ty, Type::I64 | Type::Cond) || ty.lanes() == lanes);
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

fn class(ty: Type, shape: &Shape) -> Class {
    match ty {
        Type::I64 | Type::Cond => Class::Gpr,
        Type::Vec(..) => Class::Vector,
        Type::Mask(_) => shape.mask,
    }
}

impl Facts<'_> {
    pub fn new<'a>(kernel: &Kernel, shape: &'a Shape) -> Facts<'a> {
        let mut forms: Vec<Form> = kernel.types.iter().map(|ty| Form::Stored(class(*ty, shape))).collect();
        let (values, buffers) = (forms.len(), kernel.buffers.len());
        forms.extend(vec![Form::Stored(Class::Gpr); buffers + 1]);
        let uses = vec![0; forms.len()];
        let mut facts = Facts { shape, uses, forms, values, buffers, tails: HashMap::new() };
        facts.survey(kernel, &kernel.body);
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

    /// The mask of the first `count` lanes, where an access asks for it; `None` where that is all lanes.
    pub fn tail(&self, count: u16) -> Option<Value> {
        self.tails.get(&count).copied()
    }

    /// The mask of the lanes that an access touches; `None` where that is all lanes.
    pub fn lanes_in_use(&self, access: &Access) -> Option<Value> {
        match *access {
            Access::Indexed { mask, .. } => Some(mask),
            Access::Contiguous { count } | Access::Strided { count, .. } => self.tail(count),
            Access::Splat => None,
        }
    }

    /// The mask that an access needs because of its count.
    pub fn tail_of(&self, access: &Access, touch: Touch) -> Option<Value> {
        self.masked_count(access, touch).and_then(|count| self.tail(count))
    }

    fn masked_count(&self, access: &Access, touch: Touch) -> Option<u16> {
        let (count, touch) = match *access {
            Access::Contiguous { count } => (count, touch),
            Access::Strided { count, .. } if touch != Touch::Store => (count, Touch::Gather),
            Access::Strided { count, .. } => (count, touch),
            Access::Splat | Access::Indexed { .. } => return None,
        };
        (count > 0 && count < self.shape.lanes && (self.shape.masked)(count, touch)).then_some(count)
    }

    /// The masks of all partial accesses.
    pub fn tails(&self) -> impl Iterator<Item = Value> + '_ {
        self.tails.values().copied()
    }

    /// Whether code computes this value where it is defined.
    pub fn is_computed(&self, v: Value) -> bool {
        self.uses[v.0 as usize] > 0 && matches!(self.form(v), Form::Stored(_) | Form::Constant(..))
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
    fn survey(&mut self, kernel: &Kernel, body: &[Stmt]) {
        for stmt in body {
            for_uses(stmt, |v| self.count_use(v));
            match stmt {
                Stmt::Let { value, op } => {
                    if let Some(form) = form_of(op, self.shape.mask) {
                        self.forms[value.0 as usize] = form;
                    }
                    if let LaneOp::Load { address, access } = op {
                        self.note_tail(access, load_touch(kernel, address));
                    }
                }
                Stmt::Store(s) => self.note_tail(&s.access, Touch::Store),
                Stmt::Loop(l) => self.survey(kernel, &l.body),
                Stmt::If { then, otherwise, .. } => {
                    self.survey(kernel, &then.body);
                    self.survey(kernel, &otherwise.body);
                }
                Stmt::Fault { .. } | Stmt::FaultIf { .. } => {}
            }
        }
    }

    fn note_tail(&mut self, access: &Access, touch: Touch) {
        let Some(count) = self.masked_count(access, touch) else { return };
        if !self.tails.contains_key(&count) {
            self.tails.insert(count, Value(self.forms.len() as u32));
            self.forms.push(Form::Constant(self.shape.mask, Constant::First(count)));
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
        let foldable = |access: &Access| match *access {
            Access::Splat => self.shape.broadcasts,
            Access::Contiguous { count } => count == self.shape.lanes,
            Access::Strided { .. } | Access::Indexed { .. } => false,
        };
        for stmt in body {
            match stmt {
                Stmt::Let { value, op: LaneOp::Load { address, access } }
                    if foldable(access) && plain(address) && self.uses[value.0 as usize] == 1 =>
                {
                    loads.insert(*value, (*address, *access == Access::Splat));
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
fn form_of(op: &LaneOp, mask: Class) -> Option<Form> {
    Some(match *op {
        LaneOp::IConst(n) => Form::Number(n),
        LaneOp::IndexCompare(op, a, b) => Form::Test(op, a, b),
        LaneOp::FSplat(bits) => Form::Constant(Class::Vector, Constant::Word(bits)),
        LaneOp::ISplat(n) => Form::Constant(Class::Vector, Constant::Word(n as u32)),
        LaneOp::Lanes => Form::Constant(Class::Vector, Constant::Lanes),
        LaneOp::FirstLanes(n) => Form::Constant(mask, Constant::First(n)),
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

/// How a load from a buffer touches part of a vector.
pub fn load_touch(kernel: &Kernel, address: &Address) -> Touch {
    if is_byte(kernel.buffers[address.buffer as usize]) { Touch::LoadBytes } else { Touch::LoadWords }
}

/// Whether memory of this type holds bytes.
pub fn is_byte(dtype: DType) -> bool {
    dtype.size() == 1
}

/// Whether a vector type is of floats.
pub fn is_float(ty: Type) -> bool {
    matches!(ty, Type::Vec(Elem::F32, _))
}
