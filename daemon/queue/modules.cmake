# Driver modules: the library that each is linked with, what an author outside of the tree needs, and
# the project's own modules. A module is listed here, and in registry.cc (kModules).
include(${PROJECT_SOURCE_DIR}/cmake/WorkmanQueueModule.cmake)

# What a driver calls of the interface, and helpers for its keys, URLs and JSON: compiled once more,
# for a module, which keeps it to itself. The log is the program's own (see below).
add_library(workman_driver STATIC
  ${PROJECT_SOURCE_DIR}/daemon/base/check.cc
  ${PROJECT_SOURCE_DIR}/daemon/profile/units.cc
  ${PROJECT_SOURCE_DIR}/daemon/queue/options.cc
  ${PROJECT_SOURCE_DIR}/daemon/queue/queue.cc
  ${PROJECT_SOURCE_DIR}/protocol/json_chars.cc
  ${PROJECT_SOURCE_DIR}/protocol/json_scanner.cc
  ${PROJECT_SOURCE_DIR}/protocol/json_slicer.cc
  ${PROJECT_SOURCE_DIR}/protocol/json_text.cc)
add_library(workman::driver ALIAS workman_driver)
set_target_properties(workman_driver PROPERTIES
  POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
  EXPORT_NAME driver)
target_include_directories(workman_driver PUBLIC
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:include/workman>)
target_compile_features(workman_driver PUBLIC cxx_std_20)
target_link_libraries(workman_driver PUBLIC
  tl::expected Threads::Threads $<BUILD_INTERFACE:workmand_options>)

# A program that loads modules gives them its log, and its own idea of the types that cross: an
# exception of a module is caught by type, and UBSan compares the types of objects.
foreach(symbol
    _ZTIN8workmand5QueueE _ZTSN8workmand5QueueE
    _ZTIN8workmand14ConnectionLostE _ZTSN8workmand14ConnectionLostE
    _ZTIN8workmand8RejectedE _ZTSN8workmand8RejectedE
    _ZN8workmand3log5WriteE* _ZN8workmand3log7EnabledE*)
  target_link_options(workmand_queue INTERFACE "LINKER:--export-dynamic-symbol=${symbol}")
endforeach()
target_link_libraries(workmand_queue PUBLIC ${CMAKE_DL_LIBS})

cmake_path(ABSOLUTE_PATH WORKMAN_QUEUE_DIR BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX} NORMALIZE
  OUTPUT_VARIABLE module_folder)
set_source_files_properties(modules.cc PROPERTIES
  COMPILE_DEFINITIONS WORKMAN_QUEUE_DIR="${module_folder}")

# For authors outside of the tree. The headers keep their paths, below a folder of their own.
set(driver_package lib/cmake/workman_driver)
foreach(header
    daemon/base/check.h daemon/base/ids.h daemon/base/job.h daemon/base/log.h daemon/base/result.h
    daemon/base/time.h daemon/profile/load.h daemon/profile/profile.h daemon/queue/driver_module.h
    daemon/queue/options.h daemon/queue/queue.h daemon/queue/registry.h protocol/json_slicer.h
    protocol/json_text.h)
  cmake_path(GET header PARENT_PATH folder)
  install(FILES ${PROJECT_SOURCE_DIR}/${header} DESTINATION include/workman/${folder})
endforeach()
install(TARGETS workman_driver EXPORT workman_targets ARCHIVE DESTINATION lib/workman)
install(EXPORT workman_targets NAMESPACE workman:: FILE workman-targets.cmake
  DESTINATION ${driver_package})
include(CMakePackageConfigHelpers)
configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/workman_driver-config.cmake.in ${PROJECT_BINARY_DIR}/workman_driver-config.cmake
  INSTALL_DESTINATION ${driver_package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/workman_driver-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/workman_driver-config.cmake ${PROJECT_BINARY_DIR}/workman_driver-config-version.cmake
  ${PROJECT_SOURCE_DIR}/cmake/WorkmanQueueModule.cmake
  DESTINATION ${driver_package})

# The project's own modules. What is missing here is not built, and a profile that names it is told.
# What several of them share is a part: each module keeps its copy to itself.
function(workmand_driver_part name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC workman_driver ${arg_LIBS})
  set_target_properties(${name} PROPERTIES
    POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endfunction()
workmand_driver_part(workmand_element SOURCES drivers/element_text.cc)

pkg_check_modules(hiredis IMPORTED_TARGET hiredis)
if(hiredis_FOUND)
  # It asks for -D_FILE_OFFSET_BITS=64, which none of its functions depends on, and which would keep
  # its users from the precompiled headers.
  set_target_properties(PkgConfig::hiredis PROPERTIES INTERFACE_COMPILE_OPTIONS "")
  # The engine of all drivers on Redis.
  workmand_driver_part(workmand_redis SOURCES
    drivers/redis_apply.cc drivers/redis_elements.cc drivers/redis_link.cc
    drivers/redis_list_scripts.cc drivers/redis_lists.cc drivers/redis_queue.cc
    drivers/redis_scripts.cc drivers/redis_settings.cc drivers/redis_stream_scripts.cc
    LIBS workmand_element PkgConfig::hiredis)
  foreach(driver redis resque sidekiq)
    workmand_queue_module(${driver} SOURCES drivers/${driver}.cc LIBS workmand_redis)
  endforeach()
endif()

pkg_check_modules(rabbitmq IMPORTED_TARGET librabbitmq)
if(rabbitmq_FOUND)
  # The engine of both drivers on RabbitMQ.
  workmand_driver_part(workmand_amqp SOURCES
    drivers/amqp_apply.cc drivers/amqp_link.cc drivers/amqp_message.cc drivers/amqp_own.cc
    drivers/amqp_put.cc drivers/amqp_queue.cc drivers/amqp_settings.cc
    LIBS workmand_element PkgConfig::rabbitmq)
  workmand_queue_module(amqp SOURCES drivers/amqp.cc LIBS workmand_amqp)
endif()

if(hiredis_FOUND AND rabbitmq_FOUND)
  workmand_driver_part(workmand_celery SOURCES drivers/celery_message.cc drivers/celery_result.cc
    LIBS workmand_element)
  workmand_queue_module(celery SOURCES
    drivers/celery.cc drivers/celery_amqp.cc drivers/celery_lists.cc drivers/celery_store.cc
    LIBS workmand_celery workmand_redis workmand_amqp)
endif()

# Queues in the tables of an SQL server: what they share, and the two clients.
workmand_driver_part(workmand_sql SOURCES
  drivers/process_identity.cc drivers/sql_answers.cc drivers/sql_jobs.cc drivers/sql_look.cc
  drivers/sql_queue.cc drivers/sql_queue_work.cc drivers/sql_schema.cc drivers/sql_settle.cc)
pkg_check_modules(pq IMPORTED_TARGET libpq)
if(pq_FOUND)
  workmand_driver_part(workmand_sql_pg SOURCES drivers/pg_session.cc LIBS PkgConfig::pq)
  workmand_queue_module(postgres SOURCES drivers/postgres.cc drivers/postgres_sql.cc
    LIBS workmand_sql workmand_sql_pg)
endif()
pkg_check_modules(mariadb IMPORTED_TARGET libmariadb)
if(mariadb_FOUND)
  workmand_driver_part(workmand_sql_my
    SOURCES drivers/my_session.cc drivers/mysql_url.cc LIBS PkgConfig::mariadb)
  workmand_queue_module(mysql SOURCES drivers/mysql.cc drivers/mysql_sql.cc
    LIBS workmand_sql workmand_sql_my)
  workmand_queue_module(q4m
    SOURCES drivers/q4m.cc drivers/q4m_lanes.cc drivers/q4m_queue.cc drivers/q4m_settings.cc
      drivers/q4m_settle.cc
    LIBS workmand_sql_my)
endif()
if(pq_FOUND AND mariadb_FOUND)
  workmand_driver_part(workmand_leased
    SOURCES drivers/leased_open.cc drivers/leased_queue.cc drivers/leased_sql.cc
      drivers/leased_work.cc drivers/sqlite_session.cc drivers/sqlite_settings.cc drivers/storable.cc
    LIBS workmand_sql_pg workmand_sql_my PkgConfig::sqlite3)
  foreach(driver qudo theschwartz)
    workmand_queue_module(${driver} SOURCES drivers/${driver}.cc LIBS workmand_leased)
  endforeach()
endif()
# Its protocol is spoken directly.
workmand_queue_module(beanstalkd SOURCES
  drivers/beanstalkd.cc drivers/beanstalkd_job.cc drivers/beanstalkd_link.cc
  drivers/beanstalkd_settle.cc drivers/beanstalkd_work.cc)

pkg_check_modules(nats IMPORTED_TARGET libnats)
if(nats_FOUND)
  workmand_queue_module(nats SOURCES
    drivers/nats.cc drivers/nats_link.cc drivers/nats_names.cc drivers/nats_work.cc
    LIBS PkgConfig::nats)
endif()

pkg_check_modules(zmq IMPORTED_TARGET libzmq)
if(zmq_FOUND)
  workmand_queue_module(zeromq SOURCES
    drivers/zeromq.cc drivers/zeromq_message.cc drivers/zeromq_settings.cc drivers/zeromq_socket.cc
    drivers/zeromq_work.cc
    LIBS PkgConfig::zmq)
endif()

pkg_check_modules(rdkafka IMPORTED_TARGET rdkafka)
if(rdkafka_FOUND)
  workmand_queue_module(kafka SOURCES
    drivers/kafka.cc drivers/kafka_dead.cc drivers/kafka_group.cc drivers/kafka_group_work.cc
    drivers/kafka_producer.cc drivers/kafka_record.cc drivers/kafka_settings.cc
    drivers/kafka_settle.cc drivers/kafka_window.cc drivers/kafka_work.cc
    LIBS PkgConfig::rdkafka)
endif()
