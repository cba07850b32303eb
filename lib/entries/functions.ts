export { connect, pipeline, request, stream, upgrade } from '../global/functions.js'
export { getGlobalDispatcher, setGlobalDispatcher } from '../global/global-dispatcher.js'
export { install, uninstall } from '../global/install.js'
export type * from '../types.js'
