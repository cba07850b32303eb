import { ability } from './able.js'
import { Network } from './network.js'

/** Makes a network and waits to be killed. */
const network = await Network.make(ability().roughness)
process.send?.(network.plan)
setInterval(() => {}, 60_000)
