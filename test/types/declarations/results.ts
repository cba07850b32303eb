/**
 * Results of sluice are assignable to those of undici, except with exactOptionalPropertyTypes, where undici's bodies
 * contradict each other. Compiled, never run.
 */
import * as ours from 'sluice'
import type * as theirs from 'undici'

export function results(
  data: ours.Dispatcher.ResponseData<number>,
  piped: ours.Dispatcher.PipelineHandlerData,
  body: ours.BodyReadable,
): unknown[] {
  const given: theirs.Dispatcher.ResponseData<number> = data
  const handled: theirs.Dispatcher.PipelineHandlerData = piped
  const mixin: ours.Dispatcher.BodyMixin = body
  return [given, handled, mixin]
}

export const functions: Pick<
  typeof theirs,
  | 'request'
  | 'stream'
  | 'pipeline'
  | 'connect'
  | 'upgrade'
  | 'getGlobalDispatcher'
  | 'setGlobalDispatcher'
  | 'buildConnector'
  | 'install'
> = ours
