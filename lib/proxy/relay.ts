import type { Dispatcher } from '../dispatcher/dispatcher.js'

/** How what is told of changes on its way. */
export interface View {
  /** Whose events they are; default: the origin as it is told. */
  origin?: URL
  /** Who stands where `from` stood among the targets. */
  targets(targets: readonly Dispatcher[]): readonly Dispatcher[]
}

/** Tells on `to` what happens to `from`. */
export function relay(from: Dispatcher, to: Dispatcher, view: View): void {
  from.on('drain', (origin, targets = []) => {
    to.emit('drain', view.origin ?? origin, view.targets(targets))
  })
  from.on('connect', (origin, targets) => {
    to.emit('connect', view.origin ?? origin, view.targets(targets))
  })
  from.on('disconnect', (origin, targets, error) => {
    to.emit('disconnect', view.origin ?? origin, view.targets(targets), error)
  })
  from.on('connectionError', (origin, targets, error) => {
    to.emit('connectionError', view.origin ?? origin, view.targets(targets), error)
  })
}
