import { Component, type ComponentType, type VNode, h } from "preact";

/** The component, drawn again only when one of its properties is another value than before. */
export function memo<P extends object>(draw: ComponentType<P>): ComponentType<P> {
  return class extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const names = Object.keys(next) as (keyof P)[];
      return names.some((name) => next[name] !== this.props[name as keyof typeof this.props]);
    }
    override render(): VNode {
      return h(draw as ComponentType<object>, this.props);
    }
  };
}
