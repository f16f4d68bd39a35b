//! The two analyses, support and need, and the extents that follow from them.

use super::product::{Met, Product};
use super::rows::{is_regular, nearest, reach};
use crate::ops::{Binary, Literal, Op, Pad, Reduce, Unary, Window};
use crate::tensor::{Graph, Inst, OutputRole, Value};
use std::collections::{HashMap, HashSet};

/// The length of a prefix on each axis.
pub type Extent = Vec<usize>;

pub struct Extents {
    shapes: Vec<Extent>,
    zeros: HashSet<Value>,
    support: HashMap<Value, Extent>,
    need: HashMap<Value, Extent>,
    extent: HashMap<Value, Extent>,
}

impl Extents {
    /// `None` where the graph has nothing to narrow, or windows that start beyond their input.
    pub fn of(graph: &Graph) -> Option<Extents> {
        let windows: Vec<&Window> = graph.insts.iter().filter_map(|inst| window(&inst.op)).collect();
        let empty = graph.types.iter().any(|ty| ty.shape.contains(&0));
        if empty || !windows.into_iter().all(is_regular) {
            return None;
        }
        let shapes = graph.types.iter().map(|ty| ty.shape.clone()).collect();
        let [support, need, extent] = [HashMap::new(), HashMap::new(), HashMap::new()];
        let mut extents = Extents { shapes, zeros: HashSet::new(), support, need, extent };
        for inst in &graph.insts {
            extents.find_support(inst);
        }
        for output in &graph.outputs {
            extents.need_all(output.value);
            if let OutputRole::Report { weight } = output.role {
                extents.need_all(weight);
            }
        }
        for inst in graph.insts.iter().rev() {
            extents.find_need(inst);
        }
        Some(extents)
    }

    fn shape(&self, value: Value) -> &Extent {
        &self.shapes[value.0 as usize]
    }

    /// How much of a value the new graph holds; `None` if nobody needs it.
    pub fn live(&self, value: Option<Value>) -> Option<Extent> {
        self.extent.get(&value?).cloned()
    }

    // ── support ──

    fn find_support(&mut self, inst: &Inst) {
        if self.is_zero(inst) {
            self.zeros.insert(inst.results[0]);
        }
        let support = self.support_of_result(inst);
        self.support.insert(inst.results[0], support);
        for other in inst.results.iter().skip(1) {
            self.support.insert(*other, self.shape(*other).clone());
        }
    }

    fn is_zero(&self, inst: &Inst) -> bool {
        match &inst.op {
            Op::Const(Literal::Float(x)) => *x == 0.0,
            Op::Const(Literal::Int(0) | Literal::Bool(false)) => true,
            Op::Broadcast { .. } => self.zeros.contains(&inst.args[0]),
            _ => false,
        }
    }

    fn support_of_result(&self, inst: &Inst) -> Extent {
        let shape = self.shape(inst.results[0]);
        let of = |i: usize| &self.support[&inst.args[i]];
        let larger = |i, j| of(i).iter().zip(of(j)).map(|(a, b)| *a.max(b)).collect();
        let smaller = |i, j| of(i).iter().zip(of(j)).map(|(a, b)| *a.min(b)).collect();
        match &inst.op {
            Op::Broadcast { .. } if self.zeros.contains(&inst.results[0]) => vec![0; shape.len()],
            Op::Unary(op) if keeps_zero(*op) => of(0).clone(),
            Op::Cast(_) | Op::StopGradient | Op::Binary(Binary::Div) => of(0).clone(),
            Op::Binary(Binary::Mul | Binary::And) => smaller(0, 1),
            Op::Binary(Binary::Add | Binary::Sub | Binary::Max | Binary::Min | Binary::Or) => larger(0, 1),
            Op::Select => larger(1, 2),
            Op::Transpose { perm } => perm.iter().map(|&axis| of(0)[axis]).collect(),
            Op::Reduce { op: Reduce::Sum, axes } => {
                (0..of(0).len()).filter(|a| !axes.contains(a)).map(|a| of(0)[a]).collect()
            }
            Op::Broadcast { axes, .. } => self.spread(inst, axes, shape),
            Op::Pad { pads } if pads.iter().all(is_high_pad) && self.zeros.contains(&inst.args[1]) => of(0).clone(),
            op if is_scatter(op) => self.reached(inst, 0, shape),
            Op::Dot { .. } => self.of_product(inst, shape.clone()),
            _ => shape.clone(),
        }
    }

    /// The support of a product.
    fn of_product(&self, inst: &Inst, mut extent: Extent) -> Extent {
        for side in 0..2 {
            for (support, met) in self.support[&inst.args[side]].iter().zip(self.axes(inst, side)) {
                if let Met::Result(axis) = met {
                    extent[axis] = extent[axis].min(*support);
                }
            }
        }
        extent
    }

    fn axes(&self, inst: &Inst, side: usize) -> Vec<Met> {
        let [rank, left] = [side, 0].map(|i| self.shape(inst.args[i]).len());
        Product::of(&inst.op).map_or(vec![], |product| product.axes(side, rank, left))
    }

    fn spread(&self, inst: &Inst, axes: &[usize], shape: &Extent) -> Extent {
        let (from, support) = (self.shape(inst.args[0]), &self.support[&inst.args[0]]);
        let mut extent = shape.clone();
        for (i, &axis) in axes.iter().enumerate().filter(|(i, axis)| from[*i] == shape[**axis]) {
            extent[axis] = support[i];
        }
        extent
    }

    /// Spatial rows of x (of this shape) that the support of y, argument `i`, looks at.
    fn reached(&self, inst: &Inst, i: usize, x: &[usize]) -> Extent {
        self.reach(inst, &self.dense(inst.args[i]), x)
    }

    /// The support; but all of a value that is zero everywhere, to keep tensors from becoming empty.
    fn dense(&self, value: Value) -> Extent {
        let support = &self.support[&value];
        if support.contains(&0) { self.shape(value).clone() } else { support.clone() }
    }

    fn reach(&self, inst: &Inst, y: &[usize], x: &[usize]) -> Extent {
        let Some(window) = window(&inst.op) else { return x.to_vec() };
        vec![x[0], reach(window, 0, y[1], x[1]), reach(window, 1, y[2], x[2]), x[3]]
    }

    // ── need ──

    fn need_all(&mut self, value: Value) {
        self.need.insert(value, self.shape(value).clone());
    }

    fn find_need(&mut self, inst: &Inst) {
        let live = inst.results.iter().any(|v| self.need.contains_key(v));
        if !live && !matches!(inst.op, Op::Input { .. }) {
            return;
        }
        for value in &inst.results {
            let extent = self.choose(inst, *value);
            self.extent.insert(*value, extent);
        }
        for i in 0..inst.args.len() {
            let wanted = self.least_wanted(inst, i);
            let need = self.need.entry(inst.args[i]).or_insert_with(|| vec![0; wanted.len()]);
            need.iter_mut().zip(wanted).for_each(|(need, want)| *need = (*need).max(want));
        }
    }

    /// How much of a result to compute.
    fn choose(&self, inst: &Inst, value: Value) -> Extent {
        let full = self.shape(value);
        let need = self.need.get(&value).unwrap_or(full);
        if is_scatter(&inst.op) {
            return self.near(inst, &self.support[&value], need);
        }
        let dense = self.dense(value);
        let choose = |axis: usize| if is_flexible(&inst.op, axis) { need[axis].min(dense[axis]) } else { full[axis] };
        (0..full.len()).map(choose).collect()
    }

    /// The sizes of x nearest to `n` for which the window gives as many rows as for `reach`.
    fn near(&self, inst: &Inst, reach: &Extent, n: &Extent) -> Extent {
        let Some(window) = window(&inst.op) else { return reach.clone() };
        vec![reach[0], nearest(window, 0, reach[1], n[1]), nearest(window, 1, reach[2], n[2]), reach[3]]
    }

    /// What the rebuilt instruction takes of argument `i`: the least it wants, or a little more where that saves a
    /// slice.
    pub fn wanted(&self, inst: &Inst, i: usize) -> Extent {
        let least = self.least_wanted(inst, i);
        let reads_window = i == 0 && (is_gather(&inst.op) || matches!(inst.op, Op::ConvWeightGrad { .. }));
        if reads_window { self.near(inst, &least, &self.extent[&inst.args[0]]) } else { least }
    }

    fn least_wanted(&self, inst: &Inst, i: usize) -> Extent {
        let full = self.shape(inst.args[i]);
        let extent = &self.extent[&inst.results[0]];
        let spatial = |y: Extent| vec![full[0], y[1], y[2], full[3]];
        match &inst.op {
            op if op.is_map() => extent.clone(),
            Op::Broadcast { axes, .. } => {
                let shape = self.shape(inst.results[0]);
                (0..full.len()).map(|k| if full[k] == shape[axes[k]] { extent[axes[k]] } else { full[k] }).collect()
            }
            Op::Transpose { perm } => {
                let mut want = full.clone();
                perm.iter().zip(extent).for_each(|(&axis, &n)| want[axis] = n);
                want
            }
            Op::Reduce { op, axes } => self.reduced(inst, *op, axes),
            Op::Pad { pads } if i == 0 && pads.iter().all(is_high_pad) => {
                full.iter().zip(extent).map(|(n, e)| *n.min(e)).collect()
            }
            Op::Slice { start, stride, .. } => {
                (0..full.len()).map(|a| start[a] + (extent[a] - 1) * stride[a] + 1).collect()
            }
            op if is_gather(op) && i == 0 => self.reach(inst, extent, full),
            Op::WindowGather { .. } => extent.clone(),
            Op::ConvWeightGrad { .. } if i == 0 => self.reached(inst, 1, full),
            Op::ConvWeightGrad { .. } => spatial(self.dense(inst.args[1])),
            Op::WindowScatter { .. } | Op::WindowSumGrad { .. } => spatial(self.dense(inst.args[0])),
            Op::ConvInputGrad { .. } if i == 0 => spatial(self.dense(inst.args[0])),
            Op::Dot { .. } => self.factor(inst, i, extent),
            _ => full.clone(),
        }
    }

    /// What a product of this extent takes of a side.
    fn factor(&self, inst: &Inst, side: usize, extent: &Extent) -> Extent {
        let [own, other] = [side, 1 - side].map(|i| self.dense(inst.args[i]));
        let wanted = |(axis, met): (usize, Met)| match met {
            Met::Result(place) => extent[place],
            Met::Contracted(partner) => own[axis].min(other[partner]),
        };
        self.axes(inst, side).into_iter().enumerate().map(wanted).collect()
    }

    /// A sum may leave out zeros; other reductions look at everything.
    fn reduced(&self, inst: &Inst, op: Reduce, axes: &[usize]) -> Extent {
        let mut kept = self.extent[&inst.results[0]].iter();
        let whole = if op == Reduce::Sum { self.dense(inst.args[0]) } else { self.shape(inst.args[0]).clone() };
        let size = |axis: usize| if axes.contains(&axis) { Some(whole[axis]) } else { kept.next().copied() };
        (0..whole.len()).filter_map(size).collect()
    }
}

fn window(op: &Op) -> Option<&Window> {
    match op {
        Op::Conv { window, .. } | Op::ConvInputGrad { window, .. } | Op::ConvWeightGrad { window, .. } => Some(window),
        Op::WindowSum { window } | Op::WindowSumGrad { window, .. } | Op::WindowArgMax { window } => Some(window),
        Op::WindowGather { window } | Op::WindowScatter { window, .. } => Some(window),
        _ => None,
    }
}

/// From x to y: rows of y may be left out.
fn is_gather(op: &Op) -> bool {
    matches!(op, Op::Conv { .. } | Op::WindowSum { .. } | Op::WindowArgMax { .. } | Op::WindowGather { .. })
}

/// From y to x: the adjoints of those.
fn is_scatter(op: &Op) -> bool {
    matches!(op, Op::ConvInputGrad { .. } | Op::WindowSumGrad { .. } | Op::WindowScatter { .. })
}

/// Results of the operation can be cut short on this axis.
fn is_flexible(op: &Op, axis: usize) -> bool {
    match op {
        Op::Broadcast { .. } | Op::Transpose { .. } | Op::Reduce { .. } | Op::Slice { .. } | Op::Dot { .. } => true,
        Op::Pad { pads } => pads.iter().all(is_high_pad),
        _ if is_gather(op) => axis == 1 || axis == 2,
        _ => op.is_map(),
    }
}

pub fn is_high_pad(pad: &Pad) -> bool {
    pad.low == 0 && pad.interior == 0 && pad.high >= 0
}

/// f(0) = 0.
fn keeps_zero(op: Unary) -> bool {
    match op {
        Unary::Neg | Unary::Abs | Unary::Sign | Unary::Floor | Unary::Ceil | Unary::RoundEven => true,
        Unary::Sqrt | Unary::Expm1 | Unary::Log1p | Unary::Sin | Unary::Tanh | Unary::Erf => true,
        Unary::Exp | Unary::Log | Unary::Cos | Unary::Not => false,
    }
}
