// What both have is sluice's; fetch, its classes, mocks and caches are undici's.
module.exports = { ...require('undici-original'), ...require('sluice') }
