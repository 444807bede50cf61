import { Component, type ComponentType, type Ref, type VNode, createRef, h } from "preact";

/** What a drawn component is given beside its own properties. */
export interface Root {
  /** Belongs to its outermost element. */
  root: Ref<any>;
}

/**
 * The component, drawn again only when one of its properties is another value than before, and not while somebody has selected what it shows:
 * text that is replaced loses its selection.
 */
export function memo<P extends object>(draw: ComponentType<P & Root>): ComponentType<P> {
  return class extends Component<P> {
    private readonly root = createRef<Element>();

    override shouldComponentUpdate(next: P): boolean {
      const before = this.props as P;
      // one that was there before and is not any more counts, too
      const names = Object.keys({ ...before, ...next }) as (keyof P)[];
      const isOther = names.some((name) => next[name] !== before[name]);
      return isOther && !isSelected(this.root.current);
    }

    override render(): VNode {
      return h(draw as ComponentType<object>, { ...this.props, root: this.root } as object);
    }
  };
}

function isSelected(node: Node | null): boolean {
  const selection = getSelection();
  return node !== null && selection !== null && !selection.isCollapsed && selection.containsNode(node, true);
}
