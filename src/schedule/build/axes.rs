//! Axes as grid variables, loops, rows and columns.

use super::{Binding, Builder, Head, Info, Role, Scope};
use crate::schedule::index::{Axis, Lin};
use crate::tile::{Carry, Extent, For, Grid, Index, Stmt, TileType, Value, Var};

impl Builder {
    pub fn axis(&mut self, size: usize) -> Axis {
        self.axes += 1;
        Axis { id: self.axes - 1, size: size as i64 }
    }

    fn var(&mut self) -> Var {
        self.vars += 1;
        Var(self.vars - 1)
    }

    /// Blocks of `step` become grid points; one block needs none.
    pub fn grid(&mut self, axis: Axis, step: usize, role: Role) {
        self.grouped_grid(axis, step, 1, role);
    }

    /// The same, where groups of so many blocks follow each other inside of the variables that come later.
    pub fn grouped_grid(&mut self, axis: Axis, step: usize, group: usize, role: Role) {
        let size = axis.size as usize;
        if size <= step {
            return self.whole(axis, role);
        }
        let var = self.var();
        self.grid.push(Grid { var, extent: size, step, group });
        self.bind(axis, var, step, role);
    }

    /// The axis lies in the tile as a whole.
    pub fn whole(&mut self, axis: Axis, role: Role) {
        let depth = self.scopes.len() - 1;
        self.bindings.insert(axis, Binding { var: None, role, extent: Extent::Fixed(axis.size as usize), depth });
    }

    fn bind(&mut self, axis: Axis, var: Var, step: usize, role: Role) {
        let whole = (axis.size as usize).is_multiple_of(step);
        self.bind_blocks(axis, var, if whole { Extent::Fixed(step) } else { Extent::Block(var) }, role);
    }

    fn bind_blocks(&mut self, axis: Axis, var: Var, extent: Extent, role: Role) {
        self.bindings.insert(axis, Binding { var: Some(var), role, extent, depth: self.scopes.len() - 1 });
    }

    pub fn set_role(&mut self, axis: Axis, role: Role) {
        if let Some(binding) = self.bindings.get_mut(&axis) {
            binding.role = role;
        }
    }

    /// Opens a loop over the axis in blocks of `step`, with carried values; gives those inside.
    pub fn begin(&mut self, axis: Axis, step: usize, role: Role, inits: &[Value]) -> Vec<Value> {
        self.scopes.push(Scope::default());
        if axis.size as usize <= step {
            self.whole(axis, role);
            return inits.to_vec();
        }
        let (lo, hi) = (Index::Const(0), Index::Const(axis.size));
        let var = self.var();
        self.bind(axis, var, step, role);
        self.head(var, step, inits, lo, hi)
    }

    /// Opens a loop over the points of an axis that lie in `lo..hi`, expressions of axes around it.
    pub fn begin_within(&mut self, axis: Axis, lo: &Lin, hi: &Lin, inits: &[Value]) -> Vec<Value> {
        self.begin_between(
            axis,
            1,
            Role::Point,
            &[Lin::default(), lo.clone()],
            &[Lin::constant(axis.size), hi.clone()],
            inits,
        )
    }

    /// Opens a loop from the largest of `lo` up to the least of `hi`, all expressions of axes around it, in blocks of
    /// `step`.
    pub fn begin_between(
        &mut self,
        axis: Axis,
        step: usize,
        role: Role,
        lo: &[Lin],
        hi: &[Lin],
        inits: &[Value],
    ) -> Vec<Value> {
        self.scopes.push(Scope::default());
        let known = |lins: &[Lin]| lins.iter().all(|l| l.terms.is_empty());
        let least = hi.iter().map(|l| l.constant).min();
        let is_all = known(lo) && known(hi) && lo.iter().all(|l| l.constant <= 0) && least == Some(axis.size);
        if is_all && axis.size as usize <= step {
            self.whole(axis, role);
            return inits.to_vec();
        }
        let most = lo.iter().map(|l| self.expr(l)).reduce(|a, b| Index::Max(Box::new(a), Box::new(b)));
        let least = hi.iter().map(|l| self.expr(l)).reduce(|a, b| Index::Min(Box::new(a), Box::new(b)));
        let (lo, hi) = (most.unwrap_or(Index::Const(0)), least.unwrap_or(Index::Const(axis.size)));
        let var = self.var();
        self.bind_blocks(axis, var, if step == 1 { Extent::Fixed(1) } else { Extent::Block(var) }, role);
        self.head(var, step, inits, lo, hi)
    }

    fn head(&mut self, var: Var, step: usize, inits: &[Value], lo: Index, hi: Index) -> Vec<Value> {
        let inner: Vec<Value> = inits.iter().map(|v| self.fresh_like(*v)).collect();
        let carries = inits.iter().copied().zip(inner.iter().copied()).collect();
        self.scope().head = Some(Head { var, lo, hi, step, carries });
        inner
    }

    /// Closes the innermost loop; gives the values after it.
    pub fn end(&mut self, yields: &[Value]) -> Vec<Value> {
        let scope = self.scopes.pop().expect("a loop is open");
        let Some(head) = scope.head else {
            return self.dissolve(scope, yields);
        };
        let carry =
            |(init, inner): &(Value, Value)| Carry { init: *init, inner: *inner, result: self.fresh_like(*init) };
        let carries: Vec<Carry> = head.carries.iter().map(carry).collect();
        let results = carries.iter().map(|c| c.result).collect();
        let Head { var, lo, hi, step, .. } = head;
        let (body, yields) = (scope.body, yields.to_vec());
        self.scope().body.push(Stmt::For(For { var, lo, hi, step, carries, body, yields }));
        results
    }

    /// A loop of one iteration leaves its statements and what it remembers to the scope around it.
    fn dissolve(&mut self, inner: Scope, yields: &[Value]) -> Vec<Value> {
        let depth = self.scopes.len() - 1;
        self.infos.iter_mut().for_each(|info| info.depth = info.depth.min(depth));
        self.bindings.values_mut().for_each(|b| b.depth = b.depth.min(depth));
        let scope = self.scope();
        scope.body.extend(inner.body);
        scope.memo.extend(inner.memo);
        yields.to_vec()
    }

    pub(super) fn scope(&mut self) -> &mut Scope {
        self.scopes.last_mut().expect("the kernel's body is always open")
    }

    pub(super) fn fresh_like(&mut self, value: Value) -> Value {
        let depth = self.scopes.len() - 1;
        let axes = self.infos[value.0 as usize].axes.clone();
        self.fresh(self.ty(value), Info { depth, axes })
    }

    pub(super) fn fresh(&mut self, ty: TileType, info: Info) -> Value {
        self.values.push(ty);
        self.infos.push(info);
        Value(self.values.len() as u32 - 1)
    }
}
