/**
 * Results of undici are assignable to those of sluice, also with exactOptionalPropertyTypes. There the reverse is not
 * possible for ResponseData: the declaration of its body accepts not even a verbatim copy of itself. Compiled, never
 * run.
 */
import type * as ours from 'sluice'
import type * as theirs from 'undici'

export function givenBack(
  data: theirs.Dispatcher.ResponseData<number>,
  piped: theirs.Dispatcher.PipelineHandlerData,
  streamed: theirs.Dispatcher.StreamData<number>,
  upgraded: theirs.Dispatcher.UpgradeData,
  connected: theirs.Dispatcher.ConnectData,
): unknown[] {
  const given: ours.Dispatcher.ResponseData<number> = data
  const handled: ours.Dispatcher.PipelineHandlerData = piped
  const ended: ours.Dispatcher.StreamData<number> = streamed
  const raised: ours.Dispatcher.UpgradeData = upgraded
  const tunnelled: ours.Dispatcher.ConnectData = connected
  return [given, handled, ended, raised, tunnelled]
}

export function given(
  piped: ours.Dispatcher.PipelineHandlerData,
  streamed: ours.Dispatcher.StreamData<number>,
  connected: ours.Dispatcher.ConnectData,
): unknown[] {
  const handled: theirs.Dispatcher.PipelineHandlerData = piped
  const ended: theirs.Dispatcher.StreamData<number> = streamed
  const tunnelled: theirs.Dispatcher.ConnectData = connected
  return [handled, ended, tunnelled]
}
